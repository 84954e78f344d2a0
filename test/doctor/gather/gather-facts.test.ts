import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as fc from 'fast-check'
import { clusterConfiguration } from '../../../src/cli/read-cluster-configuration.ts'
import { formatReport } from '../../../src/doctor/format-report.ts'
import { gatherFacts } from '../../../src/doctor/gather/gather-facts.ts'
import { examine, type Report } from '../../../src/doctor/report.ts'
import {
  createApiClient,
  type ApiAnswer,
  type ApiClient,
  type ApiProbe,
  type ApiRequest,
} from '../../../src/kubernetes/api-client.ts'
import { parseApiError } from '../../../src/kubernetes/api-error.ts'
import { requirement } from '../../requirements.ts'
import { checkOf, startDoctorWorld, system, type DoctorWorld } from '../doctor-world.ts'

let world: DoctorWorld
/** Every answer that the doctor got of a cluster where all is well. */
const answers = new Map<string, ApiAnswer>()
const requests: ApiRequest[] = []

before(async () => {
  world = await startDoctorWorld()
  const client = createApiClient({ kubeconfig: world.kubeconfig })
  await report(
    clientOf(async (request) => {
      const answer = await client.ask(request)
      requests.push(request)
      answers.set(keyOf(request), answer)
      return answer
    }),
  )
  client.close()
})
after(() => world[Symbol.asyncDispose]())

function keyOf({ method, path, query = {}, body }: ApiRequest): string {
  // Of reviews only the question differs; keys and names of other writes are made by chance.
  const review = path.endsWith('accessreviews') ? body : undefined
  return JSON.stringify([method, path, query['continue'], review])
}

/** A client that only knows how to ask. */
function clientOf(ask: ApiProbe['ask']): ApiClient & ApiProbe {
  return {
    server: 'https://127.0.0.1',
    ask,
    request: async <T>(request: ApiRequest): Promise<T> => {
      const { status, text } = await ask(request)
      const answer = JSON.parse(text) as T
      if (status >= 300) throw parseApiError({ what: request.path, status, answer })
      return answer
    },
    stream: () => assert.fail('the doctor watches nothing'),
    close: () => {},
  }
}

async function report(client: ApiClient & ApiProbe): Promise<Report> {
  const facts = await gatherFacts({
    client,
    signal: new AbortController().signal,
    namespace: system,
    release: '0.0.0',
    configuration: clusterConfiguration,
    gateway: { host: '127.0.0.1', port: 1 },
    now: Date.now,
  })
  return examine(facts, client.server)
}

function replayed({ method, path, ...request }: ApiRequest): ApiAnswer {
  return (
    answers.get(keyOf({ method, path, ...request })) ?? { status: 404, headers: {}, text: '{}' }
  )
}

test('it changes nothing and asks for no secret', () => {
  requirement('doctor.changes-nothing')
  requirement('doctor.asks-for-no-secret')
  assert.ok(requests.length > 60, `got=${requests.length}`)
  for (const { method, path, query } of requests) {
    const isReview = path.endsWith('/subjectaccessreviews')
    const isTried = query?.['dryRun'] === 'All'
    assert.ok(method === 'GET' || (method === 'POST' && (isReview || isTried)), `${method} ${path}`)
    assert.doesNotMatch(path, /\/secrets|\/token|\/exec|\/attach/)
  }
})

test('what the chart gives the gateway for Events of its policy is a right that it uses', () => {
  const reviews = requests.flatMap(({ path, body }) =>
    path.endsWith('/subjectaccessreviews') ? [JSON.stringify(body)] : [],
  )
  const ofGateway = reviews.filter((text) => text.includes(`:${system}:countersign-gateway"`))
  assert.ok(ofGateway.some((text) => text.includes('"resource":"events"')))
})

test('who has no rights is told which ones are missing, and nothing is called a problem', async () => {
  const user = { name: 'nobody', groups: [] }
  const kubeconfig = await world.api.kubeconfig(`${world.kubeconfig}-nobody`, user)
  const found = await world.examine({ kubeconfig })
  assert.equal(found.counts.problem, 0, formatReport(found))
  const hints = found.checks.flatMap(({ hint }) => hint ?? [])
  for (const right of [
    'list nodes',
    'list pods',
    'list namespaces',
    'list clusterroles.rbac.authorization.k8s.io',
    'list validatingadmissionpolicybindings.admissionregistration.k8s.io',
    'impersonate user system:node:countersign-doctor',
    'create pods in namespace default',
    'get configmaps countersign-signer in namespace countersign-system',
    'get customresourcedefinitions.apiextensions.k8s.io revocations.countersign.dev',
    'list clustertrustbundles.certificates.k8s.io',
  ]) {
    assert.ok(
      hints.some((hint) => hint.includes(`may ${right}`)),
      `want=${right} got=${hints.join('\n')}`,
    )
  }
})

test('a cluster that does not answer is one problem', async () => {
  const client = clientOf(() => Promise.reject(new Error('no way')))
  const found = await report(client)
  assert.equal(found.counts.problem, 1)
  assert.equal(checkOf(found, 'api-server').status, 'problem')
  assert.equal(found.counts.warning, found.checks.length - 1)
})

test('a list without end is read to a bound, and the checks that stand on it say so', async () => {
  let pages = 0
  const item = { metadata: { name: 'x', namespace: 'acme', uid: 'u' }, spec: {} }
  const items = Array.from({ length: 250 }, () => item)
  const client = clientOf(async (request) => {
    if (request.path !== '/api/v1/pods') return replayed(request)
    pages += 1
    const list = { metadata: { continue: `page-${pages}` }, items }
    return { status: 200, headers: {}, text: JSON.stringify(list) }
  })
  const found = checkOf(await report(client), 'dropped-volumes')
  assert.equal(pages, 40)
  assert.equal(found.status, 'warning')
  assert.ok(found.evidence.some((line) => /only the first 10000 were looked at/.test(line)))
})

test('text of the cluster is printed without what a terminal obeys, and cut', async () => {
  requirement('doctor.prints-plain-text')
  const evil = '\u001b[2J\u202e\r\n\u0007ok      everything'
  const names = Array.from({ length: 500 }, (_, at) => `${evil}${'x'.repeat(1000)}${at}`)
  const client = clientOf(async (request) => {
    if (request.path !== '/api/v1/serviceaccounts') return replayed(request)
    const items = names.map((text) => ({
      metadata: { name: text, namespace: 'acme', annotations: { 'countersign.dev/models': text } },
    }))
    return { status: 200, headers: {}, text: JSON.stringify({ items }) }
  })
  const found = await report(client)
  const printed = formatReport(found)
  assert.equal(checkOf(found, 'ceilings').status, 'problem')
  assert.ok(printed.length < 50_000, `got=${printed.length}`)
  assertPlain(found)
})

/** Every line is one line of what can be seen. */
function assertPlain(found: Report): void {
  for (const { name, summary, evidence, hint = '' } of found.checks) {
    assert.ok(evidence.length <= 21, name)
    for (const line of [summary, hint, ...evidence]) {
      assert.ok(line.length <= 401, name)
      assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, name)
    }
  }
}

/** Replaces one member somewhere in a value. */
function mutate(value: unknown, path: readonly number[], other: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined || typeof value !== 'object' || value === null) return other
  if (Array.isArray(value)) {
    if (value.length === 0) return other
    const index = step % value.length
    return value.with(index, mutate(value[index], rest, other))
  }
  const entries = Object.entries(value)
  if (entries.length === 0) return other
  const [key, inner] = entries[step % entries.length] ?? ['', undefined]
  return { ...value, [key]: mutate(inner, rest, other) }
}

test('no object and no answer, however odd, keeps the doctor from its report', async () => {
  const keys = [...answers.keys()].filter((key) => !key.includes('accessreviews'))
  const change = fc.record({
    key: fc.constantFrom(...keys),
    path: fc.array(fc.nat(50), { maxLength: 8 }),
    other: fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.string(), fc.constant(null)),
    status: fc.constantFrom(200, 200, 200, 200, 403, 404, 410, 500),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
      const client = clientOf(async (request) => {
        const { status, headers, text } = replayed(request)
        const mine = changes.filter(({ key }) => key === keyOf(request))
        const body = mine.reduce(
          (value: unknown, { path, other }) => mutate(value, path, other),
          JSON.parse(text) as unknown,
        )
        return { status: mine[0]?.status ?? status, headers, text: JSON.stringify(body) }
      })
      const found = await report(client)
      assert.equal(found.checks.length, 30)
      assertPlain(found)
      // Whatever comes, it is a judgement, not a check that broke.
      for (const { name, summary } of found.checks) {
        assert.notEqual(summary, 'not checked: the check itself broke', name)
      }
    }),
    { numRuns: 150 },
  )
})
