import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { startEmbeddedCluster } from '../embedded-cluster.ts'
import { CountersignError, quoted } from '../../src/errors.ts'
import { writeDevFile } from '../story/dev-file.ts'
import { chaptersOf, tellStory } from '../story/story.ts'
import { createLog } from '../../src/log.ts'
import { openDevSession } from './open-session.ts'
import { followDecisions, type SeenDecision } from './follow-decisions.ts'
import { createNarrator, type Narrator } from './narrator.ts'
import type { Terminal } from '../../src/cli/terminal.ts'

export interface DevOptions {
  readonly once?: boolean
  readonly dir?: string
  readonly json?: boolean
}

/** Tells the story on an embedded control plane, and whether each step held; stays afterwards unless told `once`. */
export async function runDev(options: DevOptions, terminal: Terminal): Promise<boolean> {
  const folder = await openFolder(options.dir)
  const narrator = createNarrator({ out: terminal.out, json: options.json === true })
  narrator.opening(folder)
  const ok = await tell({ folder, narrator, options, terminal })
  // A folder that nobody named is of use only to find out what went wrong.
  if (options.dir === undefined && ok) await rm(folder, { recursive: true, force: true })
  return ok
}

async function tell(told: {
  readonly folder: string
  readonly narrator: Narrator
  readonly terminal: Terminal
  readonly options: DevOptions
}): Promise<boolean> {
  const { folder, narrator, options, terminal } = told
  await using session = await openDevSession({
    folder,
    log: createLog({ level: 'info', name: 'dev', file: join(folder, 'countersign.log') }),
    progress: (line) => narrator.progress(line),
    startCluster: (runner) =>
      startEmbeddedCluster({
        folder,
        keepFolder: options.dir !== undefined,
        namespaceGraceMilliseconds: 5000,
        runContainer: (...pod) => runner.run(...pod),
      }),
  })
  const { world, gateway } = session
  const chapters = chaptersOf(world.ports)
  const ok = await tellStory(world, chapters, {
    tell: (step) => narrator.tell(step),
    signal: terminal.signal,
  })
  if (terminal.signal.aborted) return ok
  const devFile = await writeDevFile(world, gateway)
  narrator.closing(ok)
  if (options.once === true) return ok
  narrator.invitation(devFile, world.paths.devFile)
  const show = (decision: SeenDecision): void => narrator.decision(decision)
  const following = await followDecisions(devFile.decisionLog, show, terminal.signal)
  await following.ended
  return ok
}

/** Private to its user: keys are below it. */
async function openFolder(asked: string | undefined): Promise<string> {
  if (asked === undefined) return mkdtemp(join(tmpdir(), 'countersign-dev-'))
  const folder = resolve(asked)
  try {
    // One level: a recursive mkdir below a folder that takes none, such as /proc, never returns.
    await mkdir(folder, { mode: 0o700 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return folder
    throw new CountersignError('cli/usage', `cannot make the folder ${quoted(folder, 300)}`, {
      cause,
      hint: 'give --dir a folder whose parent is there and can be written',
    })
  }
  return folder
}
