import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runPolicy } from '../cli/command/policy/run-policy.ts'

const root = join(import.meta.dirname, '..', '..')

/** What `opa parse` makes of each source of the lint's vectors: rows stay, and where in a row is left out. */
export function lintVector(opa: string, folder: string): string {
  const modules = readdirSync(folder).map((file) => {
    const words = ['parse', '--format', 'json', '--json-include', 'locations,-comments', file]
    const done = spawnSync(opa, words, { cwd: folder, encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`opa parse: ${done.stderr}${done.stdout}`)
    return [file, JSON.parse(done.stdout, shortened) as object] as const
  })
  return `${JSON.stringify(Object.fromEntries(modules))}\n`
}

/** Only expressions are told by their rows. */
function shortened(name: string, value: unknown): unknown {
  if (name !== 'location') return value
  const { row } = value as { readonly row: number }
  return { row }
}

/** Nothing is warned of in the shipped rules, in those of `policy new`, and in those that the documents show. */
export async function lintShipped(opa: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-lint-'))
  try {
    const shown = readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .flatMap((name) => rulesShownIn(readFileSync(join(root, 'docs', name), 'utf8')))
    for (const [at, text] of shown.entries()) writeFileSync(join(folder, `${at}.rego`), text)
    const policies = join(root, 'policies')
    const shipped = ['countersign', 'template', 'library'].map((name) => join(policies, name))
    for (const place of [...shipped, folder]) {
      const { code, out, err } = await runPolicy('check', place, '--strict', '--opa', opa)
      if (code !== 0) throw new Error(`${place} has rules that are warned of\n${out}${err}`)
    }
    return shown.length
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Whole modules: a piece of one has no package. */
function rulesShownIn(document: string): readonly string[] {
  const blocks = [...document.matchAll(/^```rego\n(.*?)^```/gms)].map(([, text = '']) => text)
  return blocks.filter((text) => text.startsWith('package '))
}
