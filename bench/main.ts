/** Runs one measurement: `npm run bench <name> -- <its options>`; each is the file of that name beside this one. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [name = '', ...options] = process.argv.slice(2)
const known = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'main.ts')
  .map((file) => file.slice(0, -'.ts'.length))

if (known.includes(name)) {
  // The measurement sees the command line that it would have had, had it been started itself.
  process.argv = [process.argv[0] ?? '', `${import.meta.dirname}/${name}.ts`, ...options]
  await import(`./${name}.ts`)
} else if (name === '--help') {
  const width = Math.max(...known.map(({ length }) => length))
  const lines = known.map((each) => `  ${each.padEnd(width)}  ${firstSentence(each)}`)
  process.stdout.write(`npm run bench <name> [-- --json]\n\n${lines.join('\n')}\n`)
} else {
  process.stderr.write(
    `bench: error: want=one of ${known.join(', ')} got=${JSON.stringify(name)}\n`,
  )
  process.exitCode = 2
}

/** What a file says of itself first. */
function firstSentence(file: string): string {
  const text = readFileSync(join(import.meta.dirname, `${file}.ts`), 'utf8')
  const comment = /^\/\*\*(.*?)\*\//s.exec(text)?.[1] ?? ''
  return (
    comment
      .replaceAll(/\s*\n \*\s*/g, ' ')
      .trim()
      .split(/(?<=\.)\s|:\s/)[0] ?? ''
  )
}
