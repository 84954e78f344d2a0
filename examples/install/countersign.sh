#!/bin/sh
# A command of Countersign in the signer's pod, where its configuration and its ledger are, with the rights that the signer has:
#   countersign.sh ca status --config /etc/countersign/signer.yaml
set -eu
exec kubectl --namespace countersign-system exec --container signer countersign-signer-0 -- \
  /usr/bin/node /opt/countersign/dist/cli/main.mjs "$@"
