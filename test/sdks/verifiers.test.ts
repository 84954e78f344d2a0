import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { programIsHere, runToEnd } from '../../examples/session.ts'
import { readVectors } from '../token/vectors.ts'
import { cacheFolder } from '../tools/build.ts'
import { installPip } from '../tools/pip.ts'

/* The verifiers of docs/TXN-TOKEN.md in other languages, over the vectors that our own verifier is tested with. */

const folder = join(import.meta.dirname, '../../examples/verifiers')
const vectors = join(folder, 'vectors.json')

interface Verifier {
  readonly name: string
  readonly needs: readonly [program: string, ...version: string[]]
  readonly prepare: () => Promise<readonly [program: string, ...words: string[]]>
}

const verifiers: readonly Verifier[] = [
  {
    name: 'Python',
    needs: ['python3', '-c', 'import venv, ensurepip'],
    async prepare() {
      const place = join(folder, 'python')
      const python = await installPip(join(place, 'requirements.txt'))
      return [python, '-B', join(place, 'check_vectors.py')]
    },
  },
  {
    name: 'Go',
    needs: ['go', 'version'],
    async prepare() {
      const program = join(cacheFolder(process.env), 'txn-token-go')
      await runToEnd('go', ['build', '-o', program, '.'], { cwd: join(folder, 'go') })
      return [program]
    },
  },
]

for (const { name, needs, prepare } of verifiers) {
  test(`a verifier in ${name} says of each vector what ours says`, async () => {
    if (!programIsHere('test/sdks', ...needs)) return
    const [program, ...words] = await prepare()
    const { length } = readVectors().vectors
    assert.match(
      await runToEnd(program, [...words, vectors]),
      new RegExp(`^${length} of ${length} `),
    )

    // And it can say something else.
    await using stack = new AsyncDisposableStack()
    const place = await mkdtemp(join(tmpdir(), 'countersign-vectors-'))
    stack.defer(() => rm(place, { recursive: true, force: true }))
    const wrong = join(place, 'vectors.json')
    await writeFile(
      wrong,
      (await readFile(vectors, 'utf8')).replace('"want": "call"', '"want": "valid"'),
    )
    await assert.rejects(runToEnd(program, [...words, wrong]))
  })
}
