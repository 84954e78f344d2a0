import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { createAuthorizer } from '../../../src/policy/authorizer.ts'
import { createDecisionLog } from '../../../src/policy/decision-log.ts'
import { entrypoints } from '../../../src/policy/engine.ts'
import type { PolicyEngine } from '../../../src/policy/engine.ts'
import type { EventFile } from '../../../src/policy/event-file.ts'
import type { IssuanceInput } from '../../../src/policy/issuance-policy.ts'
import { loggedIssuance } from '../../../src/policy/logged-issuance.ts'
import { callTexts, listTexts, toolResource, type CallOptions } from '../call-input.ts'
import { keepLines } from '../event-lines.ts'

/** The lines that a gateway with this policy logs of these calls, and of one list at the end. */
export function linesOf(engine: PolicyEngine, calls: readonly CallOptions[]): readonly string[] {
  const { file, lines } = keepLines()
  const log = openLog(file, engine)
  const authorizer = createAuthorizer(engine, { elapsed: () => 0 })
  const requestedBy = 'spiffe://example.test/ns/research/sa/reader'
  for (const [index, call] of calls.entries()) {
    const evaluated = authorizer.decide(callTexts(call))
    log.record({ decisionId: `d-${index}`, path: entrypoints.decision, evaluated, requestedBy })
  }
  const evaluated = authorizer.filter(listTexts([toolResource('files', 'read')]))
  log.record({ decisionId: 'd-list', path: entrypoints.list, evaluated, requestedBy })
  void log.flush()
  return linesIn(lines)
}

/** The lines that a signer with this policy logs of these requests. */
export function issuanceLines(
  engine: PolicyEngine,
  inputs: readonly IssuanceInput[],
): readonly string[] {
  const { file, lines } = keepLines()
  const log = openLog(file, engine)
  let number = 0
  const policy = loggedIssuance(engine, log, {
    newDecisionId: () => `i-${number++}`,
    elapsed: () => 0,
  })
  for (const input of inputs) policy.decide(input)
  void log.flush()
  return linesIn(lines)
}

function openLog(file: EventFile, engine: PolicyEngine): ReturnType<typeof createDecisionLog> {
  return createDecisionLog(file, {
    engine,
    labels: () => ({ id: 'gateway-0' }),
    now: () => Date.UTC(2026, 10, 22, 9),
    log: silentLog,
    metrics: silentMetrics,
  })
}

function linesIn(written: readonly string[]): readonly string[] {
  return written.flatMap((line) => line.split('\n')).filter((line) => line !== '')
}
