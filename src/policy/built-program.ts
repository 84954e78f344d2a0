import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import type { BuiltPrograms, Make } from './plan/compile.ts'

/** What the build makes of the source of a program. */
export function formatProgramModule(source: string): string {
  return `export default function (R, S, N, O, P) {\n${source}\n}\n`
}

/** Opens what the build has made, if it has. Of it runs only what is, octet for octet, the program of the plan at hand. */
export async function openBuiltPrograms(file: string): Promise<BuiltPrograms> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return () => undefined
  const { default: make } = (await import(pathToFileURL(file).href)) as { readonly default: Make }
  return (source) => (text === formatProgramModule(source) ? make : undefined)
}
