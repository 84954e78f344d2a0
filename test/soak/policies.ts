import assert from 'node:assert/strict'
import { createAuthorizer, type Authorizer } from '../../src/policy/authorizer.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'

const approvals = {
  held: {
    seconds: 60,
    approvers: ['spiffe://test.example/ns/ops/sa/oncall'],
    where: { tool: ['hold'] },
  },
}

/** Two policies: one allows `echo` and `other`, one `other` alone, of each kind. Neither allows `never`. */
export async function openPolicies(names: readonly string[]): Promise<{
  readonly authorizer: Authorizer
  readonly allowed: ReadonlySet<string>
  swap(): ReadonlySet<string>
}> {
  const always = ['ask', 'hold', 'tasks', 'work']
  const made = await Promise.all(
    [['echo', 'other'], ['other']].map(async (whats) => {
      const of = (keys: readonly string[]): object =>
        Object.fromEntries(keys.map((key) => [key, {}]))
      const given = {
        tools: of([...whats, ...always]),
        prefixes: {},
        prompts: { names: of(whats), prefixes: {} },
        resources: { uris: {}, prefixes: of(whats.map((name) => `test://${name}/`)) },
        asks: { elicitation: { form: true } },
      }
      const servers = Object.fromEntries(names.map((server) => [server, given]))
      const grants = { tenants: { acme: servers, initech: servers }, subjects: {} }
      return {
        authorizer: createAuthorizer(await loadPolicyBundle({ data: { grants, approvals } })),
        tools: new Set([...whats, ...always]),
      }
    }),
  )
  const [first, second] = made
  assert.ok(first !== undefined && second !== undefined)
  let current = first
  return {
    authorizer: {
      decide: (texts) => current.authorizer.decide(texts),
      shownArguments: (texts, rules) => current.authorizer.shownArguments(texts, rules),
      filter: (texts) => current.authorizer.filter(texts),
      get revision() {
        return current.authorizer.revision
      },
      get digest() {
        return current.authorizer.digest
      },
    },
    allowed: first.tools,
    swap() {
      current = current === first ? second : first
      return current.tools
    },
  }
}
