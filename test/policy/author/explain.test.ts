import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainDecision } from '../../../src/policy/author/explain.ts'
import { parseLoggedDecision } from '../../../src/policy/author/logged-decision.ts'
import { fromJson } from '../../../src/policy/plan/json.ts'
import { shippedFiles } from '../archive.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { linesOf } from './logged-events.ts'

interface PlanJson {
  readonly funcs: {
    readonly funcs: readonly { readonly path: readonly string[]; readonly blocks: unknown[] }[]
  }
}

test('rules with a list of any length are explained', async () => {
  const [line = ''] = linesOf(await loadPolicyBundle(), [{ tool: 'read' }])
  const decision = parseLoggedDecision(fromJson(line))
  assert.ok(typeof decision === 'object')
  const plan = JSON.parse(String((await shippedFiles())['plan.json'])) as PlanJson
  const allow = plan.funcs.funcs.find(({ path }) => path.at(-1) === 'allow')
  const place = { file: 0, row: 1, col: 1 }
  const stmts = Array.from({ length: 200_000 }, (_, index) => ({
    type: 'MakeNullStmt',
    stmt: { target: 1_000 + (index % 50), ...place },
  }))
  allow?.blocks.unshift({ stmts })
  const { held } = explainDecision(decision, { plan, dataText: '{}' })
  assert.ok(held.some(({ path }) => path === 'countersign/mcp/allow'))
})
