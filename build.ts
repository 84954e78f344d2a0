/**
 * Builds the package: the JavaScript and declarations of src/ into dist/, folder for folder, and the program of the default
 * policy. What else the package holds (`files` in package.json) is used as it stands. The small packages come out of the same files, in dist/packages.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeProgram } from './image/program.ts'
import { assemblePackages } from './packages/assemble.ts'

const root = import.meta.dirname
const dist = join(root, 'dist')
// src/ imports package.json, so the compiler's root is the repository and everything lands one folder deeper.
const emitted = join(dist, 'emitted')

mkdirSync(dist, { recursive: true })
// The image is built by itself (`npm run image`) and is no part of the package.
for (const name of readdirSync(dist).filter((each) => each !== 'image')) {
  rmSync(join(dist, name), { recursive: true, force: true })
}
const program = makeProgram(root)
const tsc = join(root, 'node_modules', '.bin', 'tsc')
const compiled = spawnSync(tsc, ['-p', join(root, 'tsconfig.build.json'), '--outDir', emitted], {
  stdio: 'inherit',
})
if (compiled.status === 0) {
  for (const name of readdirSync(join(emitted, 'src'))) {
    renameSync(join(emitted, 'src', name), join(dist, name))
  }
  chmodSync(join(dist, 'cli', 'main.js'), 0o755)
  writeFileSync(join(dist, 'program.mjs'), program)
  assemblePackages(root)
} else {
  process.exitCode = 1
}
rmSync(emitted, { recursive: true, force: true })
