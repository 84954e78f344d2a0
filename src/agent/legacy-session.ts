import { CountersignError } from '../errors.ts'
import { answerTexts } from './answer-texts.ts'
import { outline, type Outline } from '../mcp/outline.ts'
import { legacyHeaders, sessionHeaders, type LegacyAgreement } from './request-headers.ts'

/** Sends octets to the gateway. */
export type Post = (
  octets: Buffer,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<Response>

/**
 * The session of a client of the legacy era: agreed on by the client's own `initialize`, opened again by the same octets when the gateway
 * has lost it (MCP 2025-11-25 transports, session management: 404 asks the client to), ended with the client.
 */
export interface LegacySession {
  readonly agreed: LegacyAgreement | undefined
  /** Takes what the answer to the client's `initialize` says. */
  agree(initialize: Outline, response: Response, answer: Outline): void
  /** Remembers how the client confirmed it. */
  confirm(initialized: Outline): void
  /** Opens it again where nobody else has done so since. Throws what the client is to be told. */
  reopen(lost: LegacyAgreement): Promise<LegacyAgreement>
}

const confirmation: Buffer = Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}')

export function createLegacySession(options: {
  readonly post: Post
  readonly signal: AbortSignal
  readonly answerOctetsMax: number
  readonly warn: (text: string) => void
}): LegacySession {
  const { post, signal, answerOctetsMax, warn } = options
  let agreed: LegacyAgreement | undefined
  let initialize: Outline | undefined
  let initialized: Buffer = confirmation
  let reopening: Promise<LegacyAgreement> | undefined

  async function open(lost: LegacyAgreement, first: Outline): Promise<LegacyAgreement> {
    const response = await post(first.octets, legacyHeaders(undefined), signal)
    const next = agreementOf(response, await answerTo(first, response))
    if (next?.version !== lost.version) {
      throw lostForGood(
        next === undefined ? 'initialize was refused' : 'another protocol version is spoken now',
      )
    }
    const confirmed = await post(initialized, legacyHeaders(next), signal)
    await confirmed.body?.cancel()
    agreed = next
    warn('the session was lost and is open again: what the client had set in it is forgotten')
    return next
  }

  async function answerTo(message: Outline, response: Response): Promise<Outline | undefined> {
    for await (const text of answerTexts(response, answerOctetsMax)) {
      const read = outline(text)
      if (read?.kind === 'response' && read.id === message.id) return read
    }
    return undefined
  }

  return {
    get agreed() {
      return agreed
    },
    agree(message, response, answer) {
      initialize = message
      initialized = confirmation
      agreed = agreementOf(response, answer)
    },
    confirm(message) {
      initialized = message.octets
    },
    async reopen(lost) {
      if (agreed !== undefined && agreed !== lost) return agreed
      if (initialize === undefined) throw lostForGood('the client has not opened one')
      reopening ??= open(lost, initialize).finally(() => {
        reopening = undefined
      })
      return reopening
    },
  }
}

function agreementOf(response: Response, answer: Outline | undefined): LegacyAgreement | undefined {
  const version = answer?.result?.['protocolVersion']
  if (typeof version !== 'string') return undefined
  return { version, sessionId: response.headers.get('mcp-session-id') ?? undefined }
}

function lostForGood(why: string): CountersignError {
  return new CountersignError(
    'agent/session',
    `the session was lost and cannot be opened again: ${why}`,
    { hint: 'connect the client anew' },
  )
}

/** Ends the session; whether that is taken does not matter any more. */
export async function endSession(options: {
  readonly agreed: LegacyAgreement | undefined
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly url: string
  readonly signal: AbortSignal
}): Promise<void> {
  const { agreed, fetch, url, signal } = options
  if (agreed?.sessionId === undefined) return
  try {
    const answer = await fetch(url, { method: 'DELETE', headers: sessionHeaders(agreed), signal })
    await answer.body?.cancel()
  } catch {
    // The gateway forgets it by itself.
  }
}
