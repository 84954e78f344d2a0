import { CountersignError, quoted } from '../errors.ts'
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts'
import { isSignedBy, parseNote, readNote, type NoteVerifier } from './note.ts'

export interface CheckedCheckpoint extends Checkpoint {
  readonly place: string
  /** By the log's key; null where no key was given to check it with. */
  readonly signed: boolean | null
  /** Names of those of the given witnesses that have signed it. */
  readonly witnesses: readonly string[]
}

/** Whose signatures are asked for. */
export interface Trusted {
  readonly log?: NoteVerifier | undefined
  readonly witnesses: readonly NoteVerifier[]
}

/** A log may have no checkpoint of its own; one that was named has to be there. */
export async function readChecked(
  { place: path, mayLack }: { readonly place: string; readonly mayLack: boolean },
  trusted: Trusted,
  problems: { readonly place: string; readonly problem: string }[],
): Promise<CheckedCheckpoint | undefined> {
  let text: string
  try {
    text = await readNote(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (mayLack && code === 'ENOENT') return undefined
    const isSystems = code !== undefined && !(error instanceof CountersignError)
    problems.push({
      place: path,
      problem: `checkpoint is not read: got=${isSystems ? code : message}`,
    })
    return undefined
  }
  try {
    const note = parseNote(text)
    const checkpoint = parseCheckpoint(note.text)
    const { log } = trusted
    const signed = log === undefined ? null : isSignedBy(note, log)
    if (signed === false || (log !== undefined && checkpoint.origin !== log.name)) {
      problems.push({ place: path, problem: `not a checkpoint of ${quoted(log?.name ?? '')}` })
    }
    const witnesses = trusted.witnesses.filter((witness) => isSignedBy(note, witness))
    return { place: path, ...checkpoint, signed, witnesses: witnesses.map(({ name }) => name) }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    problems.push({ place: path, problem: error.message })
    return undefined
  }
}
