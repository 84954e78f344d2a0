import { openCountersignFetch } from '../../agent/countersign-fetch.ts'
import { CountersignError, quoted } from '../../errors.ts'
import { modernVersions } from '../../mcp/revisions.ts'
import { parseExactly } from '../../policy/exact-json.ts'
import { version } from '../../version.ts'
import { targetOf, type BridgeOptions } from './bridge-command.ts'
import type { Terminal } from '../terminal.ts'

export interface ApproveOptions extends BridgeOptions {
  readonly list?: boolean
  readonly deny?: boolean
}

type Method = 'approvals/list' | 'approvals/approve' | 'approvals/deny'

/** Lists what waits, or approves or denies one of it, with the approver's own certificate. */
export async function runApprove(
  ticket: string | undefined,
  options: ApproveOptions,
  terminal: Terminal,
): Promise<void> {
  const method = methodOf(ticket, options)
  const { url, ...target } = await targetOf(options, 'approve')
  await using gateway = await openCountersignFetch({ ...target, connectionsMax: 1 })
  const response = await gateway.fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': modernVersions[0] ?? '',
      'mcp-method': method,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: paramsOf(ticket) }),
    signal: terminal.signal,
  })
  const { result = {}, error } = readAnswer(await response.text())
  if (error !== undefined) {
    throw new CountersignError(
      'cli/approve',
      `gateway refuses: ${quoted(String(error.message), 500)}`,
    )
  }
  const { approvals, approval, notLookedAt } = result
  const shown = approval === undefined ? (approvals ?? []) : [approval]
  for (const each of shown) terminal.out(`${formatApproval(each)}\n`)
  if (approvals?.length === 0) terminal.out('nothing waits that you may approve\n')
  if (typeof notLookedAt === 'number' && notLookedAt > 0) {
    terminal.err(`${notLookedAt} more wait that were not looked at\n`)
  }
}

function methodOf(ticket: string | undefined, { list, deny }: ApproveOptions): Method {
  if (list === true && (ticket !== undefined || deny === true)) {
    throw new CountersignError('cli/usage', 'approve: --list stands alone')
  }
  if (list === true) return 'approvals/list'
  if (ticket === undefined) {
    throw new CountersignError('cli/usage', 'approve: a ticket is required, or --list')
  }
  return deny === true ? 'approvals/deny' : 'approvals/approve'
}

function paramsOf(ticket: string | undefined): object {
  const prefix = 'io.modelcontextprotocol/'
  return {
    ...(ticket === undefined ? {} : { ticket }),
    _meta: {
      [`${prefix}protocolVersion`]: modernVersions[0],
      [`${prefix}clientInfo`]: { name: 'countersign', version },
      [`${prefix}clientCapabilities`]: {},
    },
  }
}

interface Answer {
  readonly result?: {
    readonly approvals?: readonly object[]
    readonly approval?: object
    readonly notLookedAt?: unknown
  }
  readonly error?: { readonly message?: unknown }
}

function readAnswer(text: string): Answer {
  try {
    // An approver sees the very numbers of the call.
    return parseExactly(text) as Answer
  } catch (cause) {
    throw new CountersignError('cli/approve', 'gateway gives no answer that can be read', { cause })
  }
}

/** One member a line. What a caller or a tool server wrote is in plain ASCII: nothing of it moves a cursor, or looks like another letter. */
function formatApproval(approval: object): string {
  return Object.entries(approval)
    .map(
      ([name, value]) =>
        `${name}: ${plain(typeof value === 'string' ? value : JSON.stringify(value))}\n`,
    )
    .join('')
}

function plain(text: string): string {
  return text.replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
