import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatReport } from '../../src/doctor/format-report.ts'
import type { Report } from '../../src/doctor/report.ts'

const report: Report = {
  version: 1,
  release: '1.2.3',
  server: 'https://127.0.0.1:6443',
  namespace: 'countersign-system',
  checkedAt: '2026-01-01T00:00:00Z',
  status: 'problem',
  counts: { ok: 1, warning: 1, problem: 1 },
  checks: [
    { name: 'api-server', status: 'ok', summary: 'it answers', evidence: ['not shown'] },
    {
      name: 'clock',
      status: 'warning',
      summary: 'this machine has another time',
      evidence: ['it is 60 s ahead'],
      hint: 'run NTP',
    },
    {
      name: 'kubelets',
      status: 'problem',
      summary: '1 node too old',
      evidence: ['1.34: node-a', 'and another'],
      hint: 'upgrade it',
    },
  ],
}

test('people get a line a check, and of what is not well the evidence and what to do', () => {
  assert.equal(
    formatReport(report),
    `countersign 1.2.3 at https://127.0.0.1:6443, namespace countersign-system
ok      api-server               it answers
WARNING clock                    this machine has another time
        - it is 60 s ahead
        hint: run NTP
PROBLEM kubelets                 1 node too old
        - 1.34: node-a
        - and another
        hint: upgrade it
1 ok, 1 warning, 1 problem
`,
  )
})
