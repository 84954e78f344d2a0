import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  argumentsText,
  askCall,
  askList,
  inputTextOf,
  outlineOf,
  textOf,
} from '../../src/policy/asked.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import { entrypoints } from '../../src/policy/engine.ts'
import type { InputText } from '../../src/policy/input.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import { requirement } from '../requirements.ts'
import { callInput, callTexts, listInput, listTexts, textsOf, toolResource } from './call-input.ts'

function sha256Of(octets: string): string {
  return createHash('sha256').update(octets).digest('hex')
}

/** A plain object as JSON reads it: fast-check makes some without prototypes. */
const jsonObject = fc
  .dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 5 })
  .map((value) => JSON.parse(JSON.stringify(value)) as object)
  .filter((value) => JSON.stringify(value).isWellFormed())

const name = fc.string({ unit: 'grapheme' })

/** JSON of a value, with white space and escapes where the grammar lets them be. */
function writtenOtherwise(text: string, seed: number): string {
  let state = seed
  const next = (): number => (state = (state * 48271) % 2147483647)
  return text.replaceAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]/g, (token) => {
    if (token.length === 1)
      return [token, ` ${token}`, `${token}\n\t`, `${token}\r\n`][next() % 4] ?? ''
    return token.replaceAll(/[a-z]/g, (letter) =>
      next() % 3 === 0 ? `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}` : letter,
    )
  })
}

test('the input that is joined of texts is the input as an object', () => {
  requirement('policy.octets-decided')
  const property = fc.property(
    fc.option(jsonObject, { nil: undefined }),
    fc.record({ tool: name, server: name, id: name, tenant: name, door: name }),
    (given, rest) => {
      const options = { ...rest, ...(given === undefined ? {} : { arguments: given }) }
      const input = callInput(options)
      const joined = JSON.parse(textOf(askCall(textsOf(input)))) as typeof input
      const digest = given === undefined ? {} : { argumentsSha256: sha256Of(JSON.stringify(given)) }
      assert.deepEqual(joined, { ...input, context: { ...input.context, ...digest } })
    },
  )
  fc.assert(property)
})

test('the input of a list that is joined of texts is the input as an object', () => {
  const resource = fc.record({ server: name, tool: name })
  fc.assert(
    fc.property(fc.array(resource, { maxLength: 6 }), (tools) => {
      const resources = tools.map(({ server, tool }) => toolResource(server, tool))
      const joined: unknown = JSON.parse(textOf(askList(listTexts(resources))))
      assert.deepEqual(joined, JSON.parse(JSON.stringify(listInput(resources))))
    }),
  )
})

test('policy is asked about the octets of the arguments, however they are written', async () => {
  requirement('policy.octets-decided')
  const word = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 8 })
  const property = fc.asyncProperty(
    word,
    word,
    fc.integer({ min: 1, max: 1e9 }),
    async (a, b, seed) => {
      const conditions = { arguments: { what: [a] } }
      const grants = { tenants: { acme: { files: { tools: { read: conditions } } } } }
      const authorizer = createAuthorizer(await loadPolicyBundle({ data: { grants } }))
      for (const what of [a, b]) {
        const written = writtenOtherwise(JSON.stringify({ x: [1, { y: null }], what }), seed)
        assert.deepEqual(JSON.parse(written), { x: [1, { y: null }], what })
        const texts = textsOf(callInput(), written)
        assert.equal(texts.arguments?.sha256, sha256Of(written))
        const evaluated = authorizer.decide(texts)
        assert.equal(evaluated.error, undefined)
        assert.equal(evaluated.value.allow, what === a, written)
      }
    },
  )
  await fc.assert(property, { numRuns: 40 })
})

test('the module reads whatever JSON may be written, so that nothing of it passes the mask unread', async () => {
  requirement('policy.log-masks-arguments')
  const engine = await loadPolicyBundle()
  const odd = fc.constantFrom(
    '-0',
    '1E5',
    '1.50e-3',
    '0.1',
    '123456789012345678901234567890',
    '1e308',
  )
  const given = fc.tuple(jsonObject, odd, fc.integer({ min: 1, max: 1e9 }))
  const property = fc.property(given, ([value, number, seed]) => {
    const text = JSON.stringify({ '\u0000"\\/': value })
    const written = writtenOtherwise(text, seed)
    const whole = `{"value":${written},"odd":[${number}]}`
    assert.ok(JSON.parse(whole))
    const event = `{"input":${textOf(askCall(textsOf(callInput(), whole)))},"digests":{"arguments":{}}}`
    const changes = engine.evaluate(entrypoints.mask, event as InputText) as { path: string }[]
    assert.deepEqual(
      changes.map(({ path }) => path),
      ['/input/context/arguments'],
    )
  })
  fc.assert(property)
})

test('a number arrives in policy as it was written, and is compared exactly', async () => {
  requirement('policy.octets-decided')
  const granted = [1722470400000000000, 5, 0.5]
  const conditions = { arguments: { n: granted } }
  const grants = { tenants: { acme: { files: { tools: { read: conditions } } } } }
  const authorizer = createAuthorizer(await loadPolicyBundle({ data: { grants } }))
  for (const [written, allow] of [
    ['5', true],
    ['5.0', true],
    ['0.5', true],
    ['0.50', true],
    ['50e-1', true],
    ['6', false],
    // Past 2^53 a tool server may read another number than was compared.
    ['1722470400000000000', false],
    ['1722470400000000001', false],
  ] as const) {
    const { value, error } = authorizer.decide(textsOf(callInput(), `{"n":${written}}`))
    assert.equal(error, undefined)
    assert.equal(value.allow, allow, written)
  }
})

test('rules may read the digest of the arguments', async () => {
  const engine = await loadPolicyBundle()
  const texts = callTexts({ arguments: { a: 1 } })
  const input = JSON.parse(inputTextOf(askCall(texts))()) as { context: object }
  assert.deepEqual(input.context, {
    arguments: { a: 1 },
    argumentsSha256: sha256Of('{"a":1}'),
    era: 'modern',
    time: '2026-11-22T09:00:00Z',
    door: 'mcp/files',
    phase: 'request',
  })
  assert.ok(engine.evaluate(entrypoints.decision, inputTextOf(askCall(texts))))
})

test('an input that is too large is refused by its octets', () => {
  const texts = textsOf(callInput(), JSON.stringify('é'.repeat(200)))
  const { length } = Buffer.from(textOf(askCall(texts)))
  assert.equal(Buffer.byteLength(inputTextOf(askCall(texts), length)()), length)
  assert.throws(() => inputTextOf(askCall(texts), length - 1), {
    code: 'policy/input',
    message: `input is too large, want=..${length - 1} octets got=${length}`,
  })
})

test('an outline holds nothing that a caller wrote but a cut name', () => {
  requirement('policy.log-masks-arguments')
  const texts = callTexts({ tool: 'x'.repeat(1000), arguments: { token: 'hunter2' } })
  const outline = outlineOf(askCall(texts))
  const { subject, action } = callInput()
  const { sha256, octets } = argumentsText(Buffer.from('{"token":"hunter2"}'))
  assert.deepEqual(outline, {
    subject,
    action,
    resource: toolResource('files', 'x'.repeat(256)),
    context: { arguments: { sha256, octets } },
  })
  const listed = outlineOf(askList(listTexts([toolResource('files', 'hunter2')])))
  assert.deepEqual(listed, { subject, action: { name: 'tools/list' }, context: {} })
})
