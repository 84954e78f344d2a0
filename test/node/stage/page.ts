import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a page tells its reader to type, and what it says that is printed then. */
export interface Step {
  readonly page: string
  /** The number of its first line on the page. */
  readonly line: number
  readonly commands: string
  readonly printed: readonly string[]
}

const root = join(import.meta.dirname, '../../..')

/** Every block of commands of a page, with the block of text that follows it before the next. */
export function readSteps(page: string): readonly Step[] {
  const text = readFileSync(join(root, page), 'utf8')
  const steps: Step[] = []
  for (const { index, 1: language, 2: block = '' } of text.matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
    const line = text.slice(0, index).split('\n').length + 1
    const last = steps.at(-1)
    if (language === 'sh') steps.push({ page, line, commands: block, printed: [] })
    else if (language === 'text' && last?.printed.length === 0) {
      steps[steps.length - 1] = { ...last, printed: block.trimEnd().split('\n') }
    }
  }
  return steps
}

/** What a page has of a language, block by block. */
export function readBlocks(page: string, language: string): readonly string[] {
  const text = readFileSync(join(root, page), 'utf8')
  const blocks = text.matchAll(/^```(?<found>\w+)\n(?<block>.*?)^```$/gms)
  return [...blocks].flatMap(({ groups }) =>
    groups?.['found'] === language ? [groups['block'] ?? ''] : [],
  )
}

export function readYamlBlocks(page: string): readonly string[] {
  return readBlocks(page, 'yaml')
}

const random = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g

/** The lines of a page that were not printed, in their order among whatever else was; made-up identifiers may differ. */
export function missingLines(printed: readonly string[], output: string): readonly string[] {
  const lines = output.split('\n').map((line) => line.trimEnd().replace(random, '<uuid>'))
  let from = 0
  return printed.filter((line) => {
    const at = lines.indexOf(line.trimEnd().replace(random, '<uuid>'), from)
    if (at >= 0) from = at + 1
    return at < 0
  })
}
