#!/bin/sh
# One MCP request (2026-07-28) from the pod acme/researcher, through the bridge to the gateway:
#   call.sh tools/list
#   call.sh tools/call '"name":"github_issues_create","arguments":{"repository":"acme/website"}'
set -eu
version='"io.modelcontextprotocol/protocolVersion":"2026-07-28"'
client='"io.modelcontextprotocol/clientInfo":{"name":"call.sh","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}'
params="\"_meta\":{$version,$client}${2:+,$2}"
echo "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":{$params}}" |
  kubectl --namespace acme exec --stdin researcher -- \
    /usr/bin/node /opt/countersign/dist/cli/main.mjs bridge \
    --url https://countersign-gateway.countersign-system.svc/mcp \
    --server spiffe://agents.example/ns/countersign-system/sa/countersign-gateway \
    --credential-bundle /var/run/countersign/credential-bundle.pem \
    --trust-bundle /var/run/countersign/trust-bundle.pem
