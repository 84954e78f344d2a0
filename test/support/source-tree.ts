import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'

/** A text file of the repository, by its path from the root, with `/` on every platform. */
export interface SourceFile {
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
}

export const root: string = join(import.meta.dirname, '..', '..')

const skipped = new Set(['node_modules', 'dist', '.git', '.countersign'])
const binary = /\.(wasm|tgz|gz|png|ico|der)$/

/** Every text file below a folder of the repository, sorted; none when the folder is not there. */
export function filesUnder(folder: string): readonly SourceFile[] {
  if (!existsSync(join(root, folder))) return []
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && !binary.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !path.split('/').some((name) => skipped.has(name)))
    .toSorted()
    .map(readSourceFile)
}

export function readSourceFile(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8')
  return { path, text, lines: text.split('\n') }
}

/** The files of the repository that a file names in quotes, by import, re-export, URL or worker. */
export function relativeImports(file: SourceFile): readonly string[] {
  const named = file.text.matchAll(/['"](\.{1,2}\/[^'"\n]+\.(?:ts|json))['"]/g)
  return [...named].map(([, to]) => posix.join(dirname(file.path), to ?? ''))
}

/** The packages and `node:` modules that a file imports, without what follows their names. */
export function packageImports(file: SourceFile): readonly string[] {
  const named = file.text.matchAll(/(?:\bfrom |\bimport |\bimport\()['"]([^'".][^'"]*)['"]/g)
  return [...named].map(([, name = '']) =>
    name
      .split('/')
      .slice(0, name.startsWith('@') ? 2 : 1)
      .join('/'),
  )
}

/** A block of at least one line that a function's body is, as Prettier lays it out. */
export interface FunctionBlock {
  readonly line: number
  readonly lines: number
  readonly head: string
}

const functionHead =
  /\bfunction\b|=> \{$|^((static|async|get|set|override) )*\*?[#\w.[\]]+(<.*>)?\(/
const otherHead = /^(\} )?(if|else|for|while|switch|do|try|catch|finally|class|interface)\b/

/** Every function with a block body. Prettier closes a block at the indent of the statement that opened it. */
export function functionBlocks(file: SourceFile): readonly FunctionBlock[] {
  const { lines } = file
  return lines.flatMap((line, at) => {
    if (!line.endsWith('{')) return []
    const first = statementStart(lines, at)
    const head = lines
      .slice(first, at + 1)
      .map((each) => each.trim())
      .join(' ')
    if (otherHead.test(head) || !functionHead.test(head) || !endsInBody(head)) return []
    const indent = indentOf(line)
    const close = lines.findIndex(
      (each, index) => index > at && indentOf(each) === indent && each.trimStart().startsWith('}'),
    )
    return [{ line: first + 1, lines: close - first + 1, head }]
  })
}

/** Whether the brace at the end opens a body, and not the type of a parameter whose list is still open. */
function endsInBody(head: string): boolean {
  return head.endsWith('=> {') || head.split('(').length === head.split(')').length
}

/** The first line of the statement that a line ends the head of: `): Promise<void> {` belongs to lines above. */
function statementStart(lines: readonly string[], at: number): number {
  const indent = indentOf(lines[at] ?? '')
  let first = at
  while (first > 0 && /^[)}\]]/.test((lines[first] ?? '').trimStart())) {
    do first -= 1
    while (first > 0 && (indentOf(lines[first] ?? '') !== indent || lines[first] === ''))
  }
  return first
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}
