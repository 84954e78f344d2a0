import { stat } from 'node:fs/promises'
import { CountersignError } from '../../../errors.ts'
import { createReplay } from '../../../policy/author/replay.ts'
import type { Replay, Replayed } from '../../../policy/author/replay.ts'
import { Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'
import { openBundle } from './open-bundle.ts'
import { printableGroup } from './printable.ts'
import { createProgress } from './progress.ts'
import { cutLine, noEvent, readEvents } from './read-events.ts'

export interface PolicyReplayOptions {
  readonly log?: readonly string[]
  readonly candidate?: string
  readonly data?: readonly string[]
  readonly allowWidening?: boolean
  readonly allowUnknown?: boolean
  readonly json?: boolean
}

/** Groups of changes that a terminal is shown. */
const shownMax = 40

/** Asks a candidate what was decided before. Throws `Refused` where it allows more, or what it would decide is not known of all or any. */
export async function runPolicyReplay(
  options: PolicyReplayOptions,
  terminal: Terminal,
): Promise<void> {
  const { log = [], candidate, data = [], allowWidening = false, allowUnknown = false } = options
  if (log.length === 0) throw new CountersignError('cli/usage', '--log: want=file got=none')
  if (candidate === undefined) {
    throw new CountersignError('cli/usage', '--candidate: want=bundle got=none')
  }
  const engine = await openBundle(candidate, data, terminal.signal)
  const replay = createReplay(engine)
  for (const file of log) await replayFile(file, replay, options, terminal)
  const { replayed } = replay
  const { counts, lost } = replayed
  const asked = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const unknown = counts['not-replayable'] + lost
  const isKnown = (allowUnknown || unknown === 0) && asked > counts['not-replayable']
  const ok = (allowWidening || counts.widened === 0) && isKnown
  const { revision, digest } = engine
  const document = { version: 1, ok, candidate: { revision, digest }, ...replayed }
  if (options.json === true) terminal.out(`${JSON.stringify(document)}\n`)
  else tell(replayed, asked, terminal)
  if (!ok) throw new Refused()
}

async function replayFile(
  file: string,
  replay: Replay,
  { json }: PolicyReplayOptions,
  { err, signal }: Terminal,
): Promise<void> {
  const isShown = json !== true && process.stderr.isTTY
  const size = isShown ? (await stat(file).catch(() => undefined))?.size : undefined
  const progress = createProgress(file, size, err)
  const lines = readEvents(file, (place) => err(cutLine(place)))
  for await (const { event, place, octetsRead } of lines) {
    signal.throwIfAborted()
    if (!replay.add(event)) throw noEvent(place)
    progress.at(octetsRead)
  }
  progress.clear()
}

function tell(replayed: Replayed, asked: number, { out }: Terminal): void {
  const { counts, notAsked, lost, groups, ungrouped } = replayed
  for (const group of groups.slice(0, shownMax)) out(printableGroup(group))
  const more = groups.length - shownMax
  if (more > 0) out(`and ${more} ways to change more, which --json tells\n`)
  if (ungrouped > 0) out(`and ${ungrouped} decisions that changed in other ways\n`)
  const { same, widened, narrowed, reasons, obligations } = counts
  out(`${asked} decisions: ${same} same, ${widened} widened, ${narrowed} narrowed, `)
  out(`${reasons} for other reasons, ${obligations} under other obligations, `)
  out(
    `${counts['not-replayable']} not replayable; ${notAsked} events more hold no decision of rules\n`,
  )
  if (lost > 0) out(`${lost} events more were lost by the log, and nothing is known of them\n`)
}
