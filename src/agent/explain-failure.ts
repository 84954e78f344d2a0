import { CountersignError, cut, quoted } from '../errors.ts'

/** What went wrong with an exchange, for somebody who sees only this line: what it is, and what to do about it. */
export function explainFailure(error: unknown): string {
  if (error instanceof CountersignError) {
    return withHint(error.message, error.hint)
  }
  const { code } = error as { readonly code?: unknown }
  const known = typeof code === 'string' ? explanationOf(code) : undefined
  const said = cut(messageOf(error).split('\n', 1)[0] ?? '', 200)
  if (known === undefined) return `the call did not reach its end: ${said}`
  return withHint(`${known.what}: ${said}`, known.hint)
}

/** Of a host with several addresses each attempt has its own error, and the whole has no words. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}

function withHint(what: string, hint: string | undefined): string {
  return hint === undefined ? what : `${what} (hint: ${hint})`
}

interface Explanation {
  readonly what: string
  readonly hint: string
}

const unreachable: Explanation = {
  what: 'the gateway cannot be reached',
  hint: 'check --url, and that the gateway runs and is reachable from here',
}
const noName: Explanation = {
  what: 'the host of the gateway is not known',
  hint: 'check the name in --url, and the DNS of this machine',
}
const broken: Explanation = {
  what: 'the connection to the gateway ended before the answer',
  hint: 'whether the call was done is not known; ask for its effect before calling again',
}
const unread: Explanation = {
  what: 'the gateway ended the connection before it had the whole message',
  hint: 'the message may be larger than the gateway takes; then nothing was done',
}
const untrusted: Explanation = {
  what: "the gateway's certificate is not trusted",
  hint: 'check that --trust-bundle holds the anchors of the gateway’s trust domain, and --url the gateway',
}
const refusedCertificate: Explanation = {
  what: 'the gateway does not accept the certificate that was shown',
  hint: 'check that --credential-bundle is a current pod certificate of the trust domain of the gateway',
}

const explanations: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: unreachable,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ETIMEDOUT: unreachable,
  ENOTFOUND: noName,
  EAI_AGAIN: noName,
  ECONNRESET: broken,
  EPIPE: unread,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  CERT_SIGNATURE_FAILURE: untrusted,
  CERT_NOT_YET_VALID: untrusted,
  CERT_HAS_EXPIRED: {
    what: "the gateway's certificate has expired",
    hint: 'the gateway has to get a new one: check its pod, and the clock of this machine',
  },
}

function explanationOf(code: string): Explanation | undefined {
  if (Object.hasOwn(explanations, code)) return explanations[code]
  if (code.includes('_ALERT_')) return refusedCertificate
  if (code.startsWith('HPE_')) return broken
  return undefined
}

/** Of an HTTP status that came without a message of the protocol. */
const statusHints: Readonly<Record<number, string>> = {
  401: 'the gateway asks for no passwords or tokens: check --url, something else answers there',
  403: 'the identity of this certificate is not accepted: it may be revoked, or its pod gone',
  404: 'check the path of --url, such as /mcp or /mcp/<server>',
  405: 'check the path of --url, such as /mcp or /mcp/<server>',
  413: 'the message is larger than the gateway takes (limits in docs/OPERATING.md)',
  429: 'too many calls at once: try again later',
  502: 'the tool server cannot be reached from the gateway: try again later',
  503: 'the gateway is not ready: try again later',
  504: 'the tool server has not answered in time',
}

/** An answer that holds no answer: `text` is what it held instead. */
export function unanswered(status: number, text: string): CountersignError {
  const hint = statusHints[status]
  const what =
    status < 300
      ? `the gateway ended its answer (HTTP ${status}) without the answer to this request`
      : `the gateway answered HTTP ${status} without a reason that can be read`
  const held = text === '' ? '' : `: ${quoted(text, 200)}`
  return new CountersignError('agent/answer', `${what}${held}`, hint === undefined ? {} : { hint })
}

const internalError = -32603

/** The answer to a request that has none, under the id as the request writes it. */
export function errorLine(
  rawId: string | undefined,
  message: string,
  code: number = internalError,
): Buffer {
  const error = JSON.stringify({ code, message })
  return Buffer.from(`{"jsonrpc":"2.0","id":${rawId ?? 'null'},"error":${error}}`)
}
