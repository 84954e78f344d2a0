/** Runs one measurement: `npm run bench <name> -- <its options>`; each is the file of that name beside this one. */
import { readdirSync } from 'node:fs'

const [name = '', ...options] = process.argv.slice(2)
const known = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'main.ts')
  .map((file) => file.slice(0, -'.ts'.length))

if (known.includes(name)) {
  // The measurement sees the command line that it would have had, had it been started itself.
  process.argv = [process.argv[0] ?? '', `${import.meta.dirname}/${name}.ts`, ...options]
  await import(`./${name}.ts`)
} else {
  process.stderr.write(
    `bench: error: want=one of ${known.join(', ')} got=${JSON.stringify(name)}\n`,
  )
  process.exitCode = 2
}
