/** The agent in Python, with its packages in an environment of their own, run against a session of its own. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSession, programIsHere, runToEnd } from '../session.ts'

if (programIsHere('examples/agent-python', 'python3', '-c', 'import venv, ensurepip')) {
  const folder = await mkdtemp(join(tmpdir(), 'agent-python-'))
  try {
    await runToEnd('python3', ['-m', 'venv', folder])
    const python = join(folder, 'bin', 'python')
    const requirements = join(import.meta.dirname, 'requirements.txt')
    const quiet = ['--quiet', '--disable-pip-version-check']
    await runToEnd(python, ['-m', 'pip', 'install', ...quiet, '-r', requirements])
    await using session = await openSession()
    const agent = join(import.meta.dirname, 'agent.py')
    const said = await runToEnd(python, [agent], { environment: session.environment })
    console.log(said)
    assert.match(
      said,
      /^sees github_issues_create, github_issues_list, notes_search, notes_write$/m,
    )
    assert.match(said, /^answered .*spiffe:\/\/agents\.example\/ns\/acme\/sa\/researcher/m)
    assert.match(said, /^refused .*denied by policy/m)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
