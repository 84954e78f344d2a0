import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { toolPath } from '../tools/build.ts'

export const chartFolder: string = fileURLToPath(
  new URL('../../charts/countersign/', import.meta.url),
)
export const defaultValuesFile: string = fileURLToPath(
  new URL('../vectors/chart/values.yaml', import.meta.url),
)
export const defaultRenderingFile: string = fileURLToPath(
  new URL('../vectors/chart/default.yaml', import.meta.url),
)
export const releaseNamespace = 'countersign-system'

/** An object of a rendering; tests reach into whatever stands there. */
export interface Rendered {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly uid?: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  // oxlint-disable-next-line typescript/no-explicit-any -- as many shapes as kinds
  readonly [member: string]: any
}

export interface HelmAnswer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs helm with nothing of the user's own. */
export async function helm(
  args: readonly string[],
  options: { readonly kubeconfig?: string } = {},
): Promise<HelmAnswer> {
  const path = toolPath('helm')
  if (path === undefined) throw new Error('helm is not built: run node test/tools/build.ts helm')
  const env = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', KUBECONFIG: options.kubeconfig ?? '' }
  try {
    const maxBuffer = 16 * 1024 * 1024
    return { code: 0, ...(await promisify(execFile)(path, args, { env, maxBuffer })) }
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout: string; stderr: string }
    if (typeof code !== 'number') throw error
    return { code, stdout, stderr }
  }
}

/** Renders the chart as the release `countersign`, without a cluster. Throws what helm says. */
export async function renderChart(...more: readonly string[]): Promise<string> {
  const place = ['--namespace', releaseNamespace]
  const answer = await helm(['template', 'countersign', chartFolder, ...place, ...more])
  if (answer.code !== 0) throw new Error(answer.stderr)
  return answer.stdout
}

/** What helm says to more arguments on top of the values of the vector. It has to refuse them. */
export async function refusalOfChart(...more: readonly string[]): Promise<string> {
  const template = ['template', 'countersign', chartFolder, '-f', defaultValuesFile, ...more]
  const { code, stdout, stderr } = await helm(template)
  assert.equal(code, 1, more.join(' '))
  assert.equal(stdout, '', 'nothing is rendered')
  return stderr
}

/** As YAML 1.1, which helm and the API server read: an octal mode begins with a nought. */
export function parseRendering(text: string): readonly Rendered[] {
  return parseAllDocuments(text, { version: '1.1' }).flatMap((document) => {
    const value = document.toJS() as Rendered | null
    return value === null ? [] : [value]
  })
}

/** The key of handles is another one at each rendering. */
export function withoutChance(rendering: string): string {
  const key = Buffer.from('made anew with every rendering..').toString('base64')
  return rendering.replace(/^ {2}"0-made-by-helm": ".*"$/m, `  "0-made-by-helm": "${key}"`)
}

export async function readDefaultRendering(): Promise<readonly Rendered[]> {
  return parseRendering(await readFile(defaultRenderingFile, 'utf8'))
}
