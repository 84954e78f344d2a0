import assert from 'node:assert/strict'
import { CountersignError } from '../../../src/errors.ts'
import type { IssuanceIntent, IssuanceResult, LedgerRecord } from '../../../src/ledger/record.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics, type Labels } from '../../../src/metrics.ts'
import { createSelfSignedAuthority, notEnded, parseAuthority } from '../../../src/pki/authority.ts'
import type { Authority } from '../../../src/pki/authority.ts'
import { createIssuer } from '../../../src/pki/issue.ts'
import type { Issuer } from '../../../src/pki/issue.ts'
import { createProfile } from '../../../src/pki/profile.ts'
import type { IssuanceDecision, IssuanceInput } from '../../../src/policy/issuance-policy.ts'
import type { PodCertificateRequest } from '../../../src/kubernetes/pod-certificate-request.ts'
import type { StatusPatch } from '../../../src/signer/verdict/condition.ts'
import type { EnforcementMode } from '../../../src/signer/verdict/enforcement.ts'
import type { Evidence } from '../../../src/signer/verdict/evidence.ts'
import { createHistory, readHistory } from '../../../src/signer/issue/history.ts'
import type { History } from '../../../src/signer/issue/history.ts'
import { createIssuance } from '../../../src/signer/issue/issuance.ts'
import type { Issuance } from '../../../src/signer/issue/issuance.ts'
import type { Outcome } from '../../../src/signer/issue/issuance-options.ts'
import type { PodEvent, PublishAnswer } from '../../../src/signer/issue/ports.ts'
import { publishedLeaf } from '../../../src/pki/published-leaf.ts'
import { evidenceOf, profile as evaluationProfile, unknown } from '../workload.ts'

/** What goes wrong with one call: before it has an effect, after it, long after it, or the process dies before or after. */
export type Fault =
  | 'fail'
  | 'fail-but-persist'
  | 'late'
  | 'crash-before'
  | 'crash-after'
  | 'conflict'
  | 'stale'
  | 'rejected'
  | 'not-permitted'

export const faults: readonly Fault[] = [
  'fail',
  'fail-but-persist',
  'late',
  'crash-before',
  'crash-after',
  'conflict',
  'stale',
  'rejected',
  'not-permitted',
]

const policy = { revision: 'r1', digest: 'd'.repeat(64) }
const start = Date.parse('2026-11-20T10:00:00Z')
const profile = createProfile({
  ...evaluationProfile,
  cluster: 'test',
  production: false,
  lifetimeSecondsMax: 86_400,
})

/** A CA that is good for ten days. */
export function createWorldAuthority(): Authority {
  const { trustDomain } = profile
  const now = (): number => start
  const made = createSelfSignedAuthority({ trustDomain, lifetimeSeconds: 864_000, now })
  return parseAuthority({ ...made, trustDomain, now })
}

const authority = createWorldAuthority()

/** Thrown by a call of a process that is dead. */
class Crash extends Error {}

/**
 * One request, an API server with its rules, a ledger, a CA and a policy, all of which fail when told to. Calls are counted, so
 * that a table can let each of them fail; what must always hold is checked after every one.
 */
export class World {
  readonly asked: PodCertificateRequest
  readonly records: LedgerRecord[] = []
  /** Every effect in order. */
  readonly trace: string[] = []
  readonly events: PodEvent[] = []
  /** Labels of what was counted. */
  readonly verdicts: (Labels | undefined)[] = []
  readonly wouldDeny: (Labels | undefined)[] = []
  readonly policyInputs: IssuanceInput[] = []
  now: number = start
  calls = 0
  /** Told of each call before it is made. */
  atCall: ((call: number) => void) | undefined
  /** The CA in force. */
  authority: Authority = authority
  /** The one that was in force at the last signature. */
  signedBy: Authority | undefined
  faultAt: ReadonlyMap<number, Fault> = new Map()
  /** What a live and a cached look at the cluster give. */
  live: Evidence = evidenceOf()
  cached: Evidence = evidenceOf({ live: false })
  decision: Omit<IssuanceDecision, 'policy'> = { allow: true, reasons: [] }
  mode: EnforcementMode = 'enforce'
  /** What does not hold any more when the intent is recorded. */
  changed: string | undefined
  /** How much longer than asked a delay takes. */
  delaySecondsMore = 0
  /** Runs while the policy is asked: what happens beside this request. */
  meanwhile: (() => void) | undefined
  status: StatusPatch | undefined
  gone = false
  #resourceVersion = 1
  #random = 0
  #late: {
    readonly at: number
    readonly target: PodCertificateRequest
    readonly status: StatusPatch
  }[] = []
  readonly #signed = new Set<string>()
  #dead = Promise.withResolvers<never>()
  #crashed = false
  #broken: Error | undefined
  #issuance: Issuance
  #history: History

  constructor(asked: PodCertificateRequest) {
    this.asked = asked
    // Two worlds draw different numbers.
    this.#random = asked.metadata.uid.length
    this.#history = createHistory(() => this.now)
    this.#issuance = this.#createIssuance()
  }

  get history(): History {
    return this.#history
  }

  get state(): PodCertificateRequest {
    const { metadata, status } = this.asked
    const condition = this.status?.conditions[0].type
    const certificateChain = this.status?.certificateChain ?? ''
    const terminal = condition === undefined ? undefined : { condition, certificateChain }
    return {
      ...this.asked,
      metadata: { ...metadata, resourceVersion: String(this.#resourceVersion) },
      status: { ...status, terminal, certificateChain },
    }
  }

  /** One step in the life of the request; after a crash a new process reads the ledger again. */
  async step(seen: PodCertificateRequest = this.state): Promise<Outcome | 'crashed'> {
    try {
      return await Promise.race([
        this.#issuance.handle(seen, new AbortController().signal),
        this.#dead.promise,
      ])
    } catch (error) {
      if (!this.#crashed) throw error
      await this.restart()
      return 'crashed'
    } finally {
      this.#throwBroken()
    }
  }

  #throwBroken(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  async restart(): Promise<void> {
    this.#crashed = false
    this.#dead = Promise.withResolvers<never>()
    const records = this.records.map((record, index) => ({ index, record }))
    this.#history = await readHistory(
      (async function* () {
        yield* records
      })(),
      () => this.now,
    )
    this.#issuance = this.#createIssuance()
  }

  /** Steps until the request is done, as a queue would: time goes on by what each outcome asks for. */
  async run(stepsMax = 60): Promise<Outcome> {
    for (let step = 0; step < stepsMax; step += 1) {
      const outcome = await this.step()
      if (outcome === 'crashed') this.now += 2000
      else if (outcome.kind === 'done') return outcome
      else this.now += (outcome.seconds ?? 1) * 1000
    }
    throw new assert.AssertionError({ message: `request is not done: ${this.trace.join(' ')}` })
  }

  /** What a start does with the open intents that the ledger shows. */
  async settle(): Promise<void> {
    this.faultAt = new Map()
    await this.restart()
    for (const { uid } of this.#history.intents.requests()) {
      if (this.gone) await this.#issuance.gone(uid)
      else await this.run()
    }
  }

  intents(): IssuanceIntent[] {
    return this.records
      .filter((record) => record.kind === 'issuance-intent')
      .filter(({ request }) => request.uid === this.asked.metadata.uid)
  }

  resultsOf(intent: IssuanceIntent): IssuanceResult[] {
    return this.records
      .filter((record) => record.kind === 'issuance-result')
      .filter((record) => record.issuanceId === intent.issuanceId)
  }

  /** What must hold after every call, whatever failed. */
  checkAlways(): void {
    const recorded = new Set(this.intents().map(({ serialNumber }) => serialNumber))
    for (const serial of this.#signed) {
      assert.ok(recorded.has(serial), 'a signature was made without an intent')
    }
    const leaf = publishedLeaf(this.status?.certificateChain ?? '')
    if (leaf !== undefined) {
      assert.ok(
        this.#signed.has(leaf.serialNumber),
        'a certificate is published that nobody signed',
      )
    }
    if (this.status?.conditions[0].type === 'Denied') {
      assert.ok(
        this.records.some(({ kind }) => kind === 'issuance-refusal'),
        'a Denied was written before its refusal was recorded',
      )
    }
    for (const intent of this.intents()) {
      for (const { outcome, certificateSha256 } of this.resultsOf(intent)) {
        const ours = leaf?.serialNumber === intent.serialNumber
        if (outcome === 'published') {
          assert.ok(ours, 'a result says published, and the API server does not')
          assert.equal(certificateSha256, leaf?.certificateSha256)
        }
        if (outcome === 'unpublished') assert.ok(!ours, 'a result denies what is published')
      }
    }
  }

  /** What must hold once nothing fails any more and the last open intents were settled. */
  checkSettled(): void {
    this.checkAlways()
    for (const intent of this.intents()) {
      const outcomes = new Set(this.resultsOf(intent).map(({ outcome }) => outcome))
      assert.equal(outcomes.size, 1, `an intent has ${[...outcomes].join(' and ') || 'no'} results`)
    }
  }

  #createIssuance(): Issuance {
    const issuer = createIssuer({
      profile,
      authorities: {
        current: () => notEnded(this.authority, this.now),
        anchors: () => this.authority.anchors,
        onChange: () => () => {},
      },
      now: () => this.now,
    })
    return createIssuance({
      profile,
      issuer: this.#faultyIssuer(issuer),
      ledger: {
        append: (record) =>
          this.#effect(record.kind, () => {
            this.records.push(record)
            return { index: this.records.length - 1, leafHash: '' }
          }),
      },
      issuancePolicy: {
        decide: (input) =>
          this.#effectNow('policy', 'policy/abort', () => {
            this.policyInputs.push(input)
            this.meanwhile?.()
            return { ...this.decision, policy }
          }),
      },
      history: this.#history,
      ports: {
        gather: async (_claims, { live }) => {
          const fault = this.#next(live ? 'gather-live' : 'gather')
          if (fault !== undefined) return { ...evidenceOf({ live }), pod: unknown }
          return live ? this.live : this.cached
        },
        changed: () => this.changed,
        read: (_request, _signal) =>
          this.#effect('read', () => (this.gone ? undefined : this.state)),
        publish: (target, status) => this.#publish(target, status),
        emitEvent: (event) => void this.events.push(event),
      },
      requester: () => 'not-shown',
      modeOf: () => this.mode,
      replica: 'signer-0',
      now: () => this.now,
      randomBytes: (length) => Buffer.alloc(length, (this.#random += 1)),
      delay: async (milliseconds) => {
        this.now += milliseconds + this.delaySecondsMore * 1000
      },
      metrics: {
        ...silentMetrics,
        count: (name, labels) => {
          if (name === 'countersign_signer_verdicts_total') this.verdicts.push(labels)
          if (name === 'countersign_signer_would_deny_total') this.wouldDeny.push(labels)
        },
      },
      log: silentLog,
    })
  }

  #faultyIssuer(issuer: Issuer): Issuer {
    return {
      prepare: (request) =>
        this.#effectNow('prepare', 'pki/authority-unavailable', () => issuer.prepare(request)),
      issue: (prepared) =>
        this.#effectNow('sign', 'pki/inspection', () => {
          this.#signed.add(prepared.serialNumber)
          const issued = issuer.issue(prepared)
          this.signedBy = this.authority
          return issued
        }),
    }
  }

  /** Counts a call. A crash before the effect is thrown here; one after it is the caller's. */
  #next(name: string): Fault | undefined {
    if (this.#crashed) throw new Crash()
    this.#arrive()
    this.atCall?.(this.calls)
    const fault = this.faultAt.get(this.calls)
    this.calls += 1
    this.now += 10
    this.trace.push(fault === undefined ? name : `${name}!${fault}`)
    if (fault === 'crash-before') this.#crash()
    return fault
  }

  /** Writes that were long on their way reach the API server. */
  #arrive(): void {
    const due = this.#late.filter(({ at }) => at <= this.calls)
    this.#late = this.#late.filter((write) => !due.includes(write))
    for (const { target, status } of due) this.#checked(() => this.#apply(target, status))
  }

  #crash(): never {
    this.#crashed = true
    const crash = new Crash()
    this.#dead.promise.catch(() => {})
    this.#dead.reject(crash)
    throw crash
  }

  #effectNow<T>(
    name: string,
    code: 'policy/abort' | 'pki/inspection' | 'pki/authority-unavailable',
    effect: () => T,
  ): T {
    const fault = this.#next(name)
    if (fault === undefined) return this.#checked(effect)
    if (fault !== 'fail') this.#checked(effect)
    if (fault === 'crash-after') this.#crash()
    throw new CountersignError(code, `${name} fails`)
  }

  async #effect<T>(name: string, effect: () => T): Promise<T> {
    const fault = this.#next(name)
    if (fault === undefined) return this.#checked(effect)
    if (fault === 'fail-but-persist' || fault === 'crash-after') this.#checked(effect)
    if (fault === 'crash-after') this.#crash()
    throw new CountersignError('ledger/unavailable', `${name} fails`)
  }

  /** What is found broken is kept: the code under test catches what its ports throw. */
  #checked<T>(effect: () => T): T {
    const value = effect()
    try {
      this.checkAlways()
    } catch (error) {
      this.#broken ??= error as Error
    }
    return value
  }

  /** The API server's rules: that very state of that very object, and terminal is for ever. */
  async #publish(target: PodCertificateRequest, status: StatusPatch): Promise<PublishAnswer> {
    const fault = this.#next(status.conditions[0].type)
    const said = { status: 0, detail: 'told to' }
    if (fault === 'conflict') this.#resourceVersion += 1
    if (fault === 'late') this.#late.push({ at: this.calls + 8, target, status })
    if (fault === 'fail' || fault === 'late') return { kind: 'unknown', ...said }
    if (fault === 'stale' || fault === 'rejected' || fault === 'not-permitted') {
      return { kind: fault, ...said }
    }
    const answer = this.#checked(() => this.#apply(target, status))
    if (fault === 'crash-after') this.#crash()
    return fault === 'fail-but-persist' ? { kind: 'unknown', ...said } : answer
  }

  #apply(target: PodCertificateRequest, status: StatusPatch): PublishAnswer {
    if (this.gone) return { kind: 'gone', status: 404, detail: 'gone' }
    if (target.metadata.resourceVersion !== String(this.#resourceVersion)) {
      return { kind: 'conflict', status: 409, detail: 'changed' }
    }
    if (this.status !== undefined) return { kind: 'conflict', status: 422, detail: 'immutable' }
    const { notBefore } = status
    if (notBefore !== undefined && Math.abs(Date.parse(notBefore) - this.now) >= 300_000) {
      return { kind: 'stale', status: 422, detail: 'within 5 minutes' }
    }
    this.status = status
    this.#resourceVersion += 1
    return { kind: 'written' }
  }
}
