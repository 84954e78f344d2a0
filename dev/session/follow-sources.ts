import { watch } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../src/cli/program.ts'

export interface SourcesOptions {
  /** Folder of Rego. */
  readonly sources: string
  /** Where the bundle is written: whoever follows it takes what has changed. */
  readonly bundle: string
  /** Told of each build. */
  readonly tell: (line: string) => void
  readonly signal: AbortSignal
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
}: Omit<SourcesOptions, 'tell'>): Promise<string | undefined> {
  let said = ''
  const err = (text: string): void => void (said += text)
  const words = ['policy', 'build', sources, '-o', bundle]
  const code = await run(words, { out: () => {}, err, signal })
  // The hint after it is the command's own.
  const [line = ''] = said.split('\n', 1)
  return code === 0 ? undefined : line.replace(/^countersign: error: /, '')
}

const isSource = /\.(?:rego|json)$/

/** Builds again after each save since the last build, one build after the other, until the signal. */
export function followSources(options: SourcesOptions & { readonly builtAt: number }): void {
  const { sources, tell, signal, builtAt } = options
  let timer: NodeJS.Timeout | undefined
  let building: Promise<void> = Promise.resolve()
  const build = async (): Promise<void> => {
    if (signal.aborted) return
    const begun = performance.now()
    const problem = await buildSources(options)
    if (signal.aborted) return
    const seconds = ((performance.now() - begun) / 1000).toFixed(1)
    tell(problem ?? `policy built in ${seconds} s`)
  }
  const buildSoon = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      building = building.then(build)
    }, settleMilliseconds)
  }
  const watcher = watch(sources, { recursive: true, signal }, (_event, name) => {
    if (name !== null && isSource.test(name)) buildSoon()
  })
  watcher.on('error', () => tell('sources of the policy cannot be watched any more'))
  // Between the last build and the watch nobody saw what was saved.
  void isSavedSince(sources, builtAt).then((isSaved) => {
    if (isSaved && !signal.aborted) buildSoon()
  })
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
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
