import { readFileSync } from 'node:fs'

/** The lines of a vector file, each one JSON object. */
export function readVectors<T>(name: string): T[] {
  const text = readFileSync(new URL(`../vectors/ledger/${name}`, import.meta.url), 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}
