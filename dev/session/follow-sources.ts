import { watch } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { run } from '../../src/cli/program.ts'

export interface SourcesOptions {
  /** Folder of Rego. */
  readonly sources: string
  /** Where the bundle is written: whoever follows it takes what has changed. */
  readonly bundle: string
  /** Told of each step of a save: whether it was built, is in force, and what its tests say. */
  readonly tell: (line: string) => void
  /** What the gateway says of its bundle; nothing is waited for or tested where nobody can say. */
  readonly inForce?: () => Promise<BundleState>
  readonly signal: AbortSignal
}

/** As `/v1/status` tells it. */
export interface BundleState {
  readonly revision: string | undefined
  /** Why what is there now is not in force. */
  readonly problem: string | undefined
}

/** Several writes of one save arrive as several events. */
const settleMilliseconds = 30

/** Whether it is a folder of Rego, and no bundle. */
export async function isSources(place: string): Promise<boolean> {
  const found = await stat(place)
  if (!found.isDirectory()) return false
  return stat(join(place, '.manifest')).then(
    () => false,
    () => true,
  )
}

/** Builds as `countersign policy build` does; gives what it says where it cannot. */
export async function buildSources({
  sources,
  bundle,
  signal,
}: Pick<SourcesOptions, 'sources' | 'bundle' | 'signal'>): Promise<string | undefined> {
  const built = await build({ sources, bundle, signal })
  return 'problem' in built ? built.problem : undefined
}

async function build({
  sources,
  bundle,
  signal,
}: Pick<SourcesOptions, 'sources' | 'bundle' | 'signal'>): Promise<
  { readonly revision: string } | { readonly problem: string }
> {
  const words = ['build', sources, '-o', bundle, '--json']
  const { code, out, err } = await runPolicy(words, signal)
  return code === 0 ? (JSON.parse(out) as { readonly revision: string }) : { problem: errorIn(err) }
}

async function runPolicy(
  words: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const said = { out: '', err: '' }
  const code = await run(['policy', ...words], {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    signal,
  })
  return { code, ...said }
}

/** The hint after it is the command's own. */
function errorIn(said: string): string {
  const [line = ''] = said.split('\n', 1)
  return line.replace(/^countersign: error: /, '')
}

/** A gateway on a busy machine takes its time for the test of a bundle. */
const inForceMilliseconds = 30_000

/** Waits until the bundle that was built is in force, and gives why it is not. */
async function awaitInForce(
  revision: string,
  { inForce, signal }: Required<Pick<SourcesOptions, 'inForce' | 'signal'>>,
): Promise<string | undefined> {
  const deadline = performance.now() + inForceMilliseconds
  for (;;) {
    const state = await inForce()
    if (signal.aborted || state.revision === revision) return undefined
    if (performance.now() > deadline) return state.problem ?? 'the gateway does not take it'
    await pause(20, undefined, { signal }).catch(() => {})
  }
}

/** What the tests beside the rules say, in a line: of those that fail, where the first one stands. */
async function runTests({
  sources,
  signal,
}: Pick<SourcesOptions, 'sources' | 'signal'>): Promise<string> {
  const { code, out, err } = await runPolicy(['test', sources], signal)
  if (code === 2) return `policy is not tested: ${errorIn(err)}`
  const lines = out.trimEnd().split('\n')
  const failing = lines.find((line) => /^(?:FAIL|ERROR)\b/.test(line))
  const summary = lines.at(-1) ?? ''
  return failing === undefined ? `policy tested: ${summary}` : `policy test: ${failing}; ${summary}`
}

const isSource = /\.(?:rego|json)$/

/** Builds again after each save since the last build, one build after the other, until the signal. */
export function followSources(options: SourcesOptions & { readonly builtAt: number }): void {
  const { sources, tell, inForce, signal, builtAt } = options
  let timer: NodeJS.Timeout | undefined
  let savedAt: number | undefined
  /** What stood there when the last build began. */
  let seen: string | undefined
  let building: Promise<void> = Promise.resolve()
  const buildNow = async (): Promise<void> => {
    if (signal.aborted) return
    const saved = savedAt ?? performance.now()
    savedAt = undefined
    seen = await outlineOf(sources)
    const since = (): string => `${((performance.now() - saved) / 1000).toFixed(1)} s`
    const said = (line: string): void => {
      if (!signal.aborted) tell(line)
    }
    const built = await build(options)
    said(
      'problem' in built ? built.problem : `policy checked and built ${since()} after it was saved`,
    )
    if ('problem' in built || inForce === undefined || signal.aborted) return
    const refused = await awaitInForce(built.revision, { inForce, signal })
    said(
      refused === undefined
        ? `policy in force after ${since()}`
        : `policy is not in force: ${refused}`,
    )
    if (!signal.aborted) said(await runTests(options))
  }
  const buildSoon = (): void => {
    clearTimeout(timer)
    savedAt ??= performance.now()
    timer = setTimeout(() => {
      building = building.then(buildNow)
    }, settleMilliseconds)
  }
  const watcher = watch(sources, { recursive: true, signal }, (_event, name) => {
    if (name !== null && isSource.test(name)) buildSoon()
  })
  watcher.on('error', () => tell('sources of the policy cannot be watched any more'))
  // An editor that puts a new file in the place of the old one ends what is told of it.
  const look = async (): Promise<void> => {
    while (!signal.aborted) {
      await pause(lookMilliseconds, undefined, { signal, ref: false }).catch(() => {})
      const outline = await outlineOf(sources)
      seen ??= outline
      if (!signal.aborted && outline !== seen) {
        seen = outline
        buildSoon()
      }
    }
  }
  void look()
  // Between the last build and the watch nobody saw what was saved.
  void isSavedSince(sources, builtAt).then((isSaved) => {
    if (isSaved && !signal.aborted) buildSoon()
  })
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
}

const lookMilliseconds = 500

/** Which sources there are, and when each was written; nothing of those that change at this moment. */
async function outlineOf(sources: string): Promise<string> {
  try {
    const entries = await readdir(sources, { recursive: true, withFileTypes: true })
    const files = entries.filter(({ name }) => isSource.test(name))
    const outlines = files.map(async ({ parentPath, name }) => {
      const place = join(parentPath, name)
      const { mtimeMs, size, ino } = await stat(place)
      return `${place} ${mtimeMs} ${size} ${ino}`
    })
    return (await Promise.all(outlines)).toSorted().join('\n')
  } catch {
    return ''
  }
}

/** Folders, too: they tell of what is there no more. */
async function isSavedSince(sources: string, builtAt: number): Promise<boolean> {
  try {
    const entries = await readdir(sources, { recursive: true, withFileTypes: true })
    const kept = entries.filter((entry) => entry.isDirectory() || isSource.test(entry.name))
    const places = [sources, ...kept.map(({ parentPath, name }) => join(parentPath, name))]
    const found = await Promise.all(places.map((place) => stat(place)))
    return found.some(({ mtimeMs }) => mtimeMs >= builtAt)
  } catch {
    // It changes at this moment.
    return true
  }
}
