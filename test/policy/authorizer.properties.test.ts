/** The default policy against an oracle: another writing of the same rules, over random grants and calls. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { coversTool, parseToolScope } from '../../src/identity/tool-scope.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import type { Authorizer } from '../../src/policy/authorizer.ts'
import { entrypoints } from '../../src/policy/engine.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import { bundleWithoutSchemas } from './policy-module.ts'
import { requirement } from '../requirements.ts'
import { callInput, callTexts, listTexts, toolResource } from './call-input.ts'

interface Conditions {
  readonly arguments?: Readonly<Record<string, readonly string[]>>
}
interface ServerGrants {
  readonly tools?: Readonly<Record<string, Conditions>>
  readonly prefixes?: Readonly<Record<string, Conditions>>
}
type Holders = Readonly<Record<string, Readonly<Record<string, ServerGrants>>>>
interface Grants {
  readonly tenants: Holders
  readonly subjects: Holders
}

// Few names, so that random calls and random grants meet.
const server = fc.constantFrom('files', 'github')
const tool = fc.constantFrom('a', 'ab', 'abc', 'b', 'A', 'a b', '', 'a*')
const prefix = fc.constantFrom('', 'a', 'ab', 'b', 'x')
const word = fc.constantFrom('x', 'y')
const tenant = fc.constantFrom('acme', 'other')
const subject = fc.constantFrom(
  'spiffe://example.test/ns/a/sa/a',
  'spiffe://example.test/ns/b/sa/b',
)
const conditions = fc.record(
  { arguments: fc.dictionary(word, fc.array(word, { maxLength: 2 }), { maxKeys: 2 }) },
  { requiredKeys: [] },
)
const serverGrants = fc.record(
  {
    tools: fc.dictionary(tool, conditions, { maxKeys: 3 }),
    prefixes: fc.dictionary(prefix, conditions, { maxKeys: 3 }),
  },
  { requiredKeys: [] },
)
const holdersOf = (name: fc.Arbitrary<string>): fc.Arbitrary<Holders> =>
  fc.dictionary(name, fc.dictionary(server, serverGrants, { maxKeys: 2 }), { maxKeys: 2 })
const grants = fc.record({ tenants: holdersOf(tenant), subjects: holdersOf(subject) })
const call = fc.record({
  id: subject,
  tenant: fc.option(tenant, { nil: undefined }),
  role: fc.constantFrom('agent', 'tool-server'),
  toolScopes: fc.uniqueArray(
    fc.constantFrom('files:*', 'files:a*', 'files:ab', 'github:ab*', 'github:a', 'github:b'),
  ),
  server,
  tool,
  arguments: fc.dictionary(word, word, { maxKeys: 2 }),
})
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never

async function authorizerOf(given: Grants): Promise<Authorizer> {
  // fast-check makes objects without prototypes, as JSON.parse does not.
  const data = JSON.parse(JSON.stringify({ grants: given })) as object
  return createAuthorizer(await loadPolicyBundle({ data }))
}

/** The conditions that decide: those of the exact name, else of the longest prefix. */
function conditionsOf(holder: ServerGrants | undefined, name: string): Conditions | undefined {
  const tools = Object.entries(holder?.tools ?? {})
  const exact = tools.find(([granted]) => granted === name)
  if (exact !== undefined) return exact[1]
  return Object.entries(holder?.prefixes ?? {})
    .filter(([start]) => name.startsWith(start))
    .toSorted(([one], [other]) => other.length - one.length)[0]?.[1]
}

function mayBeListed(given: Grants, asked: Call): readonly Conditions[] {
  if (asked.role !== 'agent') return []
  const inCeiling = asked.toolScopes.some((scope) =>
    coversTool(parseToolScope(scope), asked.server, asked.tool),
  )
  if (!inCeiling) return []
  const holders = [given.tenants[asked.tenant ?? ''], given.subjects[asked.id]]
  return holders.flatMap((holder) => conditionsOf(holder?.[asked.server], asked.tool) ?? [])
}

function mayBeCalled(given: Grants, asked: Call): boolean {
  return mayBeListed(given, asked).some((granted) =>
    Object.entries(granted.arguments ?? {}).every(([name, allowed]) =>
      allowed.includes(asked.arguments[name] ?? ''),
    ),
  )
}

test('a call is allowed exactly when a grant and the ceiling cover it', async () => {
  requirement('policy.nothing-granted-nothing-allowed')
  const property = fc.asyncProperty(
    grants,
    fc.array(call, { minLength: 20 }),
    async (given, calls) => {
      const authorizer = await authorizerOf(given)
      for (const asked of calls) {
        const { value, error } = authorizer.decide(callTexts(asked))
        assert.equal(error, undefined)
        assert.equal(value.allow, mayBeCalled(given, asked), JSON.stringify(asked))
        assert.equal(value.reasons.length, value.allow ? 0 : 2)
      }
    },
  )
  await fc.assert(property, { numRuns: 60 })
})

test('a list shows exactly what some call may use, and what it hides is refused', async () => {
  requirement('policy.list-is-call')
  const tools = fc.array(fc.tuple(server, tool), { maxLength: 20 })
  const property = fc.asyncProperty(grants, call, tools, async (given, asked, listed) => {
    const authorizer = await authorizerOf(given)
    const resources = listed.map(([at, name]) => toolResource(at, name))
    const shown = authorizer.filter(listTexts(resources, asked)).value
    for (const [index, [at, name]] of listed.entries()) {
      const one = { ...asked, server: at, tool: name }
      assert.equal(shown[index], mayBeListed(given, one).length > 0)
      const { allow } = authorizer.decide(callTexts(one)).value
      assert.ok(shown[index] || !allow, 'hidden, and yet allowed')
    }
  })
  await fc.assert(property, { numRuns: 60 })
})

test('no input of any shape allows a call of a tool where nothing is granted', async () => {
  requirement('policy.nothing-granted-nothing-allowed')
  const engine = await loadPolicyBundle()
  const shape = fc.record(
    {
      subject: fc.oneof(fc.constant(callInput().subject), fc.jsonValue()),
      action: fc.oneof(fc.constant({ name: 'tools/call' }), fc.jsonValue()),
      resource: fc.oneof(fc.constant(toolResource('files', 'read')), fc.jsonValue()),
      context: fc.oneof(fc.constant(callInput().context), fc.jsonValue()),
      grants: fc.constant({ tenants: { acme: { files: { tools: { read: {} } } } } }),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(shape, (value) => {
      const input = JSON.parse(JSON.stringify(value)) as object
      const decision = engine.evaluate(entrypoints.decision, input) as { allow: boolean }
      assert.equal(decision.allow, false)
    }),
    { numRuns: 500 },
  )
})

test('no value in the place of conditions allows a call but an object of rules that we know', async () => {
  requirement('policy.nothing-granted-nothing-allowed')
  await using bundle = await bundleWithoutSchemas()
  const property = fc.asyncProperty(fc.jsonValue({ maxDepth: 2 }), async (odd) => {
    const value = JSON.parse(JSON.stringify(odd)) as object
    const empty = JSON.stringify(value) === '{}' || JSON.stringify(value) === '{"arguments":{}}'
    fc.pre(!empty)
    const data = { grants: { tenants: { acme: { files: { tools: { read: value } } } } } }
    const authorizer = createAuthorizer(await loadPolicyBundle({ ...bundle, data }))
    assert.equal(authorizer.decide(callTexts({ arguments: {} })).value.allow, false)
  })
  await fc.assert(property, { numRuns: 60 })
})
