import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Pool } from 'undici'
import { startSigningThreads } from '../../src/cli/gateway/signing-thread.ts'
import { judgeAnswer } from '../../src/gateway/upstream/judge-answer.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseMessage, type RequestMessage } from '../../src/mcp/message.ts'
import { parseX509Svid, type X509Svid } from '../../src/pki/x509-svid.ts'
import { argumentsText, type CallTexts } from '../../src/policy/asked.ts'
import type { DecisionSubject } from '../../src/policy/authorizer.ts'
import { formatInput, type InputText } from '../../src/policy/input.ts'
import { createTokenSigner } from '../../src/token/sign.ts'
import type { Running, Setting } from './contest.ts'
import { openPool, openServer } from './forwarder.ts'
import { openParts } from './product.ts'

interface Caller {
  readonly svid: X509Svid
  readonly subjectText: InputText
}

/**
 * The work that a call cannot do without, by the product's own parts, and nothing between them: the scan, the decision, its masked
 * event, the token, the judgement of the answer. No rooms, no doors, no limits, no catalogue. What the gateway costs more is its
 * plumbing.
 */
export async function runInline(setting: Setting): Promise<Running> {
  const parts = await openParts(setting)
  const { authorizer, decisionLog, credential } = parts
  const tokens = createTokenSigner({
    credential,
    now: Date.now,
    startSigningThread: startSigningThreads(parts.log),
  })
  const pool = openPool(setting)
  const forward = forwarding(pool)
  const upstream = { server: 'tools', spiffeId: parseSpiffeId(setting.upstreamSpiffeId) }
  const callers = new WeakMap<object, Caller>()

  function serve(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const caller = callers.get(request.socket)
    const message = parseMessage(body, request.rawHeaders)
    if (caller === undefined || !('kind' in message) || message.kind !== 'request') {
      response.writeHead(400).end()
      return
    }
    const texts = textsOf(caller, message)
    const evaluated = authorizer.decide(texts)
    const decisionId = crypto.randomUUID()
    const { uri } = caller.svid.spiffeId
    const path = 'countersign/mcp/decision'
    decisionLog.record({ decisionId, path, evaluated, requestedBy: uri })
    if (!evaluated.value.allow) {
      response.writeHead(403).end()
      return
    }
    const signed = tokens.sign({
      caller: caller.svid,
      upstream,
      method: message.method,
      tool: message.name ?? '',
      target: undefined,
      argumentsSha256: Buffer.from(texts.arguments?.sha256 ?? '', 'hex').toString('base64url'),
      transactionId: decisionId,
    })
    void signed.then((token) => forward({ message, token, response }))
  }

  const running = await openServer(setting, pool, serve, (server) => {
    server.on('secureConnection', (socket) => {
      const caller = callerOf(socket)
      if (caller !== undefined) callers.set(socket, caller)
    })
  })
  return {
    port: running.port,
    async close() {
      await running.close()
      await decisionLog[Symbol.asyncDispose]()
    },
  }
}

interface Forward {
  readonly message: RequestMessage
  readonly token: string
  readonly response: ServerResponse
}

function forwarding(pool: Pool): (o: Forward) => void {
  const accept = 'application/json, text/event-stream'
  return ({ message, token, response }) => {
    const headers = ['content-type', 'application/json', 'accept', accept, 'txn-token', token]
    const chunks: Buffer[] = []
    pool.dispatch(
      { method: 'POST', path: '/mcp', headers, body: message.body },
      {
        onRequestStart: () => {},
        onResponseStart: () => {},
        onResponseData: (_, chunk) => void chunks.push(chunk),
        onResponseEnd: () => {
          const octets = Buffer.concat(chunks)
          const right = judgeAnswer(message, octets).kind === 'response'
          response.writeHead(right ? 200 : 502, {
            'content-type': 'application/json',
            'content-length': String(octets.length),
          })
          response.end(octets)
        },
        onResponseError: () => void response.destroy(),
      },
    )
  }
}

function callerOf(socket: TLSSocket): Caller | undefined {
  const raw = socket.getPeerX509Certificate()?.raw
  if (raw === undefined) return undefined
  const svid = parseX509Svid(raw)
  const { identity, spiffeId, sha256, notAfter } = svid
  if (identity === undefined) return undefined
  const { pod, namespace, serviceAccount, ceiling, role, tenant } = identity
  const subject: DecisionSubject = {
    type: 'identity',
    id: spiffeId.uri,
    properties: {
      ...(role === undefined ? {} : { role }),
      ...(tenant === undefined ? {} : { tenant }),
      models: ceiling.models,
      toolScopes: ceiling.toolScopes.map(({ text }) => text),
      namespace: namespace.name,
      serviceAccount: serviceAccount.name,
      pod: { name: pod.name, uid: pod.uid },
      certificate: { sha256, notAfter: notAfter.toISOString() },
    },
  }
  return { svid, subjectText: formatInput(subject) }
}

/** What the catalogue would know of the tool. */
const definitionDigest = 'ab'.repeat(32)

const resourceTexts = new Map<string, InputText>()

function resourceTextOf(tool: string): InputText {
  const known = resourceTexts.get(tool)
  if (known !== undefined) return known
  const properties = { server: 'tools', definitionDigest }
  const text = formatInput({ type: 'tool', id: tool, properties })
  resourceTexts.set(tool, text)
  return text
}

function textsOf(caller: Caller, message: RequestMessage): CallTexts {
  const { start, end } = message.offsets.arguments ?? { start: 0, end: 0 }
  return {
    subject: caller.subjectText,
    action: message.method,
    resource: resourceTextOf(message.name ?? ''),
    arguments: end === 0 ? undefined : argumentsText(message.body.subarray(start, end)),
    context: {
      era: message.era,
      time: new Date().toISOString(),
      door: 'mcp/tools',
      phase: 'request',
    },
  }
}
