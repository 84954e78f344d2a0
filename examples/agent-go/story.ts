/** The agent in Go, built and run against a session of its own. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSession, programIsHere, runToEnd } from '../session.ts'

if (programIsHere('examples/agent-go', 'go', 'version')) {
  const folder = await mkdtemp(join(tmpdir(), 'agent-go-'))
  try {
    const agent = join(folder, 'agent')
    await runToEnd('go', ['build', '-o', agent, '.'], { cwd: import.meta.dirname })
    await using session = await openSession()
    const said = await runToEnd(agent, [], { environment: session.environment })
    console.log(said)
    assert.deepEqual(said.match(/^sees .*$/gm)?.toSorted(), [
      'sees github_issues_create',
      'sees github_issues_list',
      'sees notes_search',
      'sees notes_write',
    ])
    assert.match(said, /^answered .*spiffe:\/\/agents\.example\/ns\/acme\/sa\/researcher/m)
    assert.match(said, /^refused .*denied by policy/m)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
