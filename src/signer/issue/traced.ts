import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { cut } from '../../errors.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { preciseNow, type SpanExporter } from '../../trace/export-spans.ts'
import { createIssuance, type Issuance } from './issuance.ts'
import type { IssuanceOptions, Outcome } from './issuance-options.ts'
import type { IssuancePorts } from './ports.ts'

export interface IssuanceTracing {
  readonly exporter: SpanExporter
  /** Of all requests. Which they are their UIDs decide, for all replicas alike. */
  readonly sampleRatio: number
}

const whyCharactersMax = 200

/** One look at a request, under way. */
interface Look {
  readonly traceId: string
  readonly spanId: string
}

/**
 * An issuance whose looks at requests have spans, with one below for each thing that it waits for. A request is one trace whoever looks at it, and
 * however often: its id is the request's UID.
 */
export function tracedIssuance(options: IssuanceOptions, tracing: IssuanceTracing): Issuance {
  const looks = new AsyncLocalStorage<Look>()
  const issuance = createIssuance(measured(options, stretches(looks, tracing.exporter)))
  return {
    async handle(request, signal) {
      const traceId = sampled(request.metadata.uid, tracing.sampleRatio)
      if (traceId === undefined) return issuance.handle(request, signal)
      const look = { traceId, spanId: newSpanId() }
      const startedAt = preciseNow()
      const told = (outcome: Outcome | undefined): void =>
        tracing.exporter.take({
          ...look,
          parentSpanId: undefined,
          state: undefined,
          name: 'look at request',
          kind: 'server',
          startedAt,
          endedAt: preciseNow(),
          attributes: attributesOf(request, outcome),
          failed: outcome === undefined || (outcome.kind === 'again' && outcome.grave === true),
        })
      let outcome: Outcome | undefined
      try {
        outcome = await looks.run(look, () => issuance.handle(request, signal))
        return outcome
      } finally {
        told(outcome)
      }
    },
    gone: (requestUid) => issuance.gone(requestUid),
  }
}

/** Begins a stretch below the look that it belongs to; what is given back ends it. */
type Begin = (name: string) => (failed: boolean) => void

function stretches(looks: AsyncLocalStorage<Look>, exporter: SpanExporter): Begin {
  return (name) => {
    const look = looks.getStore()
    if (look === undefined) return () => {}
    const startedAt = preciseNow()
    return (failed) =>
      exporter.take({
        traceId: look.traceId,
        spanId: newSpanId(),
        parentSpanId: look.spanId,
        state: undefined,
        name,
        kind: 'internal',
        startedAt,
        endedAt: preciseNow(),
        attributes: {},
        failed,
      })
  }
}

type Stretch = <T>(name: string, work: () => T | Promise<T>) => Promise<T>

/** The same options, with a stretch for whatever takes its time. */
function measured(options: IssuanceOptions, begin: Begin): IssuanceOptions {
  const { ledger, issuer, issuancePolicy, ports } = options
  const stretch: Stretch = async (name, work) => {
    const end = begin(name)
    try {
      const result = await work()
      end(false)
      return result
    } catch (error) {
      end(true)
      throw error
    }
  }
  return {
    ...options,
    ledger: { append: (record) => stretch(`record ${record.kind}`, () => ledger.append(record)) },
    issuer: {
      prepare: (request) => issuer.prepare(request),
      issue: (prepared) => stretch('sign', () => issuer.issue(prepared)),
    },
    issuancePolicy: {
      ...issuancePolicy,
      decide(...asked) {
        const end = begin('ask policy')
        try {
          return issuancePolicy.decide(...asked)
        } finally {
          end(false)
        }
      },
    },
    ports: measuredPorts(ports, stretch),
    delay: (milliseconds, signal) => stretch('wait', () => options.delay(milliseconds, signal)),
  }
}

function measuredPorts(ports: IssuancePorts, stretch: Stretch): IssuancePorts {
  const approve = ports.approve?.bind(ports)
  const undeclared = ports.undeclared?.bind(ports)
  return {
    gather: (asked, how) =>
      stretch(how.live ? 'read evidence' : 'look up evidence', () => ports.gather(asked, how)),
    changed: (verdict) => ports.changed(verdict),
    read: (place, signal) => stretch('read request', () => ports.read(place, signal)),
    publish: (target, status, signal) =>
      stretch('publish', () => ports.publish(target, status, signal)),
    emitEvent: (event) => ports.emitEvent(event),
    ...(approve === undefined
      ? {}
      : {
          approve: (target, verdict, signal) =>
            stretch('approve', () => approve(target, verdict, signal)),
        }),
    ...(undeclared === undefined
      ? {}
      : {
          undeclared: (verdict, signal) =>
            stretch('ask for the resource', () => undeclared(verdict, signal)),
        }),
  }
}

function attributesOf(
  { metadata }: PodCertificateRequest,
  outcome: Outcome | undefined,
): Readonly<Record<string, string | undefined>> {
  return {
    'k8s.namespace.name': metadata.namespace,
    'countersign.request': metadata.name,
    'countersign.outcome': outcome?.kind === 'done' ? outcome.as : outcome?.kind,
    'countersign.why': outcome?.kind === 'again' ? cut(outcome.why, whyCharactersMax) : undefined,
  }
}

/** The id of a trace that is followed. A UID is one of RFC 9562, whose digits are as good as random; of any other the trace has an id of its own. */
function sampled(uid: string, ratio: number): string | undefined {
  const digits = uid.replaceAll('-', '').toLowerCase()
  const traceId = /^(?!0{32})[0-9a-f]{32}$/.test(digits) ? digits : randomBytes(16).toString('hex')
  return Number.parseInt(traceId.slice(-8), 16) < ratio * 2 ** 32 ? traceId : undefined
}

function newSpanId(): string {
  return randomBytes(8).toString('hex')
}
