import { mkdir, mkdtemp, rm, rmdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { startEmbeddedCluster } from '../embedded-cluster.ts'
import { CountersignError, quoted } from '../../src/errors.ts'
import { writeDevFile } from '../story/dev-file.ts'
import { meetUpstream, parseUpstream, type OwnServer } from '../story/own-server.ts'
import { chaptersOf, tellStory } from '../story/story.ts'
import { readConfiguration } from '../../src/cli/configuration.ts'
import { createLog } from '../../src/cli/create-log.ts'
import { openDevSession } from './open-session.ts'
import { followDecisions, type SeenDecision } from './follow-decisions.ts'
import { buildSources, followSources, isSources, type BundleState } from './follow-sources.ts'
import { createNarrator, type Narrator } from './narrator.ts'
import { policySchema, type PolicyConfig } from '../../src/cli/shared-configuration.ts'
import type { Terminal } from '../../src/cli/terminal.ts'

export interface DevOptions {
  readonly once?: boolean
  readonly dir?: string
  readonly json?: boolean
  readonly upstream?: string
  readonly policy?: string
  readonly policyConfig?: string
}

/** Tells the story on an embedded control plane, and whether each step held; stays afterwards unless told `once`. */
export async function runDev(options: DevOptions, terminal: Terminal): Promise<boolean> {
  // Before anything is written or started: what is wrong with it is the user's to mend.
  const own = options.upstream === undefined ? undefined : await meet(options.upstream)
  const policy = await meetPolicy(options)
  const folder = await openFolder(options.dir)
  const narrator = createNarrator({ out: terminal.out, json: options.json === true })
  narrator.opening(folder)
  const place = policy.bundle
  const isRego = place !== undefined && (await isSources(place))
  const sources = isRego ? { sources: place, bundle: join(folder, 'policy.tar.gz') } : undefined
  const builtAt = Date.now()
  if (sources !== undefined) await buildFirst({ ...sources, signal: terminal.signal })
  const decides = { ...policy, bundle: sources?.bundle ?? place }
  const ok = await tell({
    folder,
    narrator,
    options,
    terminal,
    own,
    policy: decides,
    sources,
    builtAt,
  })
  // A folder that nobody named is of use only to find out what went wrong.
  if (options.dir === undefined && ok) await rm(folder, { recursive: true, force: true })
  return ok
}

async function tell(told: {
  readonly folder: string
  readonly narrator: Narrator
  readonly terminal: Terminal
  readonly options: DevOptions
  readonly own: OwnServer | undefined
  readonly policy: PolicyConfig
  readonly sources: { readonly sources: string; readonly bundle: string } | undefined
  /** When the build of the sources began. */
  readonly builtAt: number
}): Promise<boolean> {
  const { folder, narrator, options, terminal, own, policy, sources, builtAt } = told
  await using session = await openDevSession({
    folder,
    log: createLog({ level: 'info', name: 'dev', file: join(folder, 'countersign.log') }),
    progress: (line) => narrator.progress(line),
    own,
    environment: process.env,
    policy,
    startCluster: (runner) =>
      startEmbeddedCluster({
        folder,
        keepFolder: options.dir !== undefined,
        namespaceGraceMilliseconds: 5000,
        runContainer: (...pod) => runner.run(...pod),
      }),
  })
  const { world, gateway } = session
  const chapters = chaptersOf(world.ports, own)
  const ok = await tellStory(world, chapters, {
    tell: (step) => narrator.tell(step),
    signal: terminal.signal,
  })
  if (terminal.signal.aborted) return ok
  const devFile = await writeDevFile(world, gateway)
  narrator.closing(ok)
  if (options.once === true) return ok
  narrator.invitation(devFile, world.paths.devFile, own)
  if (sources !== undefined) {
    const line = (text: string): void => narrator.progress(text)
    const inForce = (): Promise<BundleState> => stateOf(gateway.adminUrl)
    followSources({ ...sources, tell: line, inForce, signal: terminal.signal, builtAt })
  }
  const show = (decision: SeenDecision): void => narrator.decision(decision)
  const following = await followDecisions(devFile.decisionLog, show, terminal.signal)
  // Whoever removes its folder hears why nothing goes on.
  await Promise.race([following.ended, session.ended])
  return ok
}

/** As far as it is read. */
interface Status {
  readonly active_revision?: string
  readonly message?: string
}

/** What a gateway says of its bundle; nothing while it does not answer. */
async function stateOf(adminUrl: string): Promise<BundleState> {
  try {
    const response = await fetch(new URL('/v1/status', adminUrl))
    const { result } = (await response.json()) as {
      readonly result: { readonly bundles: Readonly<Record<string, Status>> }
    }
    const { active_revision: revision, message: problem } = result.bundles['countersign'] ?? {}
    return { revision, problem }
  } catch {
    return { revision: undefined, problem: undefined }
  }
}

/** The first start of a program may fetch it first, as npx does. */
const meetMilliseconds = 60_000

function meet(upstream: string): Promise<OwnServer> {
  const options = { environment: process.env, timeoutMilliseconds: meetMilliseconds }
  return meetUpstream(parseUpstream(upstream), options)
}

async function meetPolicy({ policy, policyConfig }: DevOptions): Promise<PolicyConfig> {
  if (policyConfig === undefined) {
    return { data: [], bundle: policy === undefined ? undefined : await meetBundle(policy) }
  }
  if (policy === undefined) return readConfiguration(policyConfig, policySchema)
  const message = 'want=--policy or --policy-config, not both'
  throw new CountersignError('cli/usage', message, { hint: 'name the bundle in the file' })
}

/** What is told of a build that fails is its author's to mend. */
async function buildFirst(what: Parameters<typeof buildSources>[0]): Promise<void> {
  const problem = await buildSources(what)
  if (problem === undefined) return
  const message = `--policy cannot be built: ${problem}`
  const hint = 'countersign policy build says the same'
  throw new CountersignError('cli/usage', message, { hint })
}

async function meetBundle(bundle: string): Promise<string> {
  try {
    await stat(bundle)
    return resolve(bundle)
  } catch (cause) {
    throw new CountersignError('cli/usage', `--policy cannot be read: ${quoted(bundle, 300)}`, {
      cause,
      hint: 'countersign policy build makes one',
    })
  }
}

/** Private to its user: keys are below it. */
async function openFolder(asked: string | undefined): Promise<string> {
  if (asked === undefined) return mkdtemp(join(tmpdir(), 'countersign-dev-'))
  const folder = resolve(asked)
  try {
    if (asked === '') throw new Error('want=a path got=nothing')
    await makeFolder(folder)
    // Whether files can be made there is known once one has been.
    await rmdir(await mkdtemp(join(folder, '.countersign-dev-')))
    return folder
  } catch (cause) {
    throw new CountersignError('cli/usage', `--dir cannot be used: ${quoted(asked, 300)}`, {
      cause,
      hint: 'give --dir a folder that you can write to, or one to make in such a folder',
    })
  }
}

/** One level: a recursive mkdir below a folder that takes none, such as /proc, never returns. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  if (!(await stat(folder)).isDirectory()) throw new Error('want=a folder got=a file')
}
