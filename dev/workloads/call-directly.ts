import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import type { WorkloadEnvironment } from './environment.ts'

/** What an agent should never manage: a tool call past the gateway, straight to the tool server. */
export async function callDirectly(
  environment: WorkloadEnvironment,
  url: string,
  server: string,
): Promise<{ status: number; text: string }> {
  await using toolServer = await openCountersignFetch({ ...environment, server })
  const response = await toolServer.fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'issues_list', arguments: { repository: 'acme/website' } },
    }),
  })
  return { status: response.status, text: await response.text() }
}
