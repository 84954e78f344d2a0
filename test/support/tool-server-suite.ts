import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { after, before, describe, test } from 'node:test'
import { stringify } from 'yaml'
import type { Cluster } from '../../dev/cluster.ts'
import { readInstalled } from '../../dev/session/open-session.ts'
import { stage } from '../../dev/story/cast.ts'
import { platformUsers } from '../../dev/story/manifests.ts'
import { findPorts, setStage } from '../../dev/story/stage.ts'
import { toolServerRights } from '../../src/gateway/rights.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { modern, openClient, type Reply, type TestClient } from '../gateway/world/client.ts'
import {
  alsoListing,
  answerBoth,
  openUpstream,
  toolTexts,
  type TestUpstream,
} from '../gateway/world/upstream.ts'
import { requirement } from '../requirements.ts'
import { digestDefinition } from './digest-definition.ts'
import { eventually } from './eventually.ts'
import { createPlainClient, type PlainAnswer, type PlainClient } from './plain-client.ts'
import { createTestAuthority, type TestWorkload } from './test-authority.ts'

const ca = createTestAuthority({ trustDomain: stage.trustDomain })
const main = join(import.meta.dirname, '../../src/cli/main.ts')
const network = pathToFileURL(join(import.meta.dirname, 'service-network.ts'))
const collection = '/apis/countersign.dev/v1alpha1/namespaces/tools/toolservers'
const github = { service: { name: 'github' }, serviceAccount: 'github', scopes: ['ec*'] }

const grants = {
  tenants: {
    acme: Object.fromEntries(
      ['tools--github', 'tools--mirror'].map((server) => [
        server,
        { tools: {}, prefixes: { '': {} } },
      ]),
    ),
  },
  subjects: {},
}

/** ToolServers that are applied, changed and deleted, behind a whole gateway process, on whichever control plane it is given. */
export function toolServerSuite(
  name: string,
  startCluster: (folder: string) => Promise<Cluster>,
  { workers }: { readonly workers: number },
): void {
  describe(name, () => {
    let folder: string
    let cluster: Cluster
    let admin: PlainClient
    let upstream: TestUpstream
    let agent: TestClient
    let readyz: string
    let gateway: ChildProcess | undefined
    const lines: string[] = []

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'countersign-tool-servers-'))
      cluster = await startCluster(folder)
      admin = await createPlainClient(cluster.adminKubeconfig)
      const hand = createApiClient({ kubeconfig: cluster.adminKubeconfig })
      await setStage({ admin: hand, own: undefined }, await readInstalled())
      hand.close()
      await giveRights()
      const server = await inPod({ namespace: 'tools', serviceAccount: 'github' })
      const { credential } = ca.issue({ ...server, role: 'tool-server', tenant: 'platform' })
      upstream = await openUpstream({
        credential,
        bundle: ca.bundle,
        answer: alsoListing(answerBoth()),
      })
      const { port, admin: adminUrl } = await startGateway()
      readyz = `${adminUrl}/readyz`
      const caller = await inPod({ namespace: 'acme', serviceAccount: 'researcher' })
      const toolScopes = 'tools--github:*,tools--mirror:*'
      const shown = ca.issue({ ...caller, role: 'agent', tenant: 'acme', toolScopes }).credential
      agent = openClient({ port, credential: shown, bundle: ca.bundle })
    })

    after(async () => {
      await (agent as TestClient | undefined)?.[Symbol.asyncDispose]()
      if (gateway?.exitCode === null) {
        gateway.kill('SIGTERM')
        await once(gateway, 'exit')
      }
      await (upstream as TestUpstream | undefined)?.[Symbol.asyncDispose]()
      await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    async function done(answer: Promise<PlainAnswer>): Promise<PlainAnswer['body']> {
      const { status, body } = await answer
      assert.ok(status < 300, JSON.stringify(body))
      return body
    }

    /** What the gateway says that it needs for ToolServers, beside what the chart gives it without. */
    async function giveRights(): Promise<void> {
      const rules = toolServerRights.map(({ group, resource, subresource, verb }) => ({
        apiGroups: [group],
        resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
        verbs: [verb],
      }))
      const rbac = '/apis/rbac.authorization.k8s.io/v1'
      const metadata = { name: 'tool-servers' }
      await done(admin({ method: 'POST', path: `${rbac}/clusterroles`, body: { metadata, rules } }))
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', ...metadata }
      const subjects = [
        { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: platformUsers.gateway },
      ]
      const body = { metadata, roleRef, subjects }
      await done(admin({ method: 'POST', path: `${rbac}/clusterrolebindings`, body }))
    }

    /** A workload whose pod is there. */
    async function inPod(
      who: Required<Pick<TestWorkload, 'namespace' | 'serviceAccount'>>,
    ): Promise<TestWorkload> {
      const pod = `${who.serviceAccount}-0`
      const { metadata } = await done(
        admin({
          method: 'POST',
          path: `/api/v1/namespaces/${who.namespace}/pods`,
          body: {
            metadata: { name: pod },
            spec: {
              serviceAccountName: who.serviceAccount,
              automountServiceAccountToken: false,
              containers: [{ name: 'main', image: 'countersign.dev/example/none' }],
            },
          },
        }),
      )
      const namespace = await done(admin({ path: `/api/v1/namespaces/${who.namespace}` }))
      return { ...who, pod, podUid: metadata.uid, namespaceUid: namespace.metadata.uid }
    }

    async function startGateway(): Promise<{ readonly port: number; readonly admin: string }> {
      const { gateway: port } = await findPorts()
      const issued = ca.issue({
        namespace: stage.system,
        serviceAccount: 'countersign-gateway',
        role: 'tool-broker',
      })
      const file = (named: string, text: string): Promise<void> =>
        writeFile(join(folder, named), text, { mode: 0o600 })
      await file('gateway.pem', issued.credentialPem)
      await file('anchors.pem', ca.bundlePem)
      await file('grants.json', JSON.stringify({ grants }))
      await file('services.json', JSON.stringify({ 'github.tools.svc:443': upstream.port }))
      const config = {
        trustDomain: stage.trustDomain,
        production: false,
        workers,
        kubeconfig: await cluster.kubeconfigFor({ name: platformUsers.gateway, groups: [] }),
        listen: { host: '127.0.0.1', port },
        credentialBundle: 'gateway.pem',
        trustBundle: 'anchors.pem',
        hosts: ['gateway.test'],
        toolServers: true,
        decisionLog: { file: 'decisions.jsonl' },
        policy: { data: ['grants.json'] },
        drain: { graceSeconds: 0 },
        admin: { port: 0 },
      }
      await file('gateway.yaml', stringify(config))
      network.searchParams.set('file', join(folder, 'services.json'))
      const child = spawn(
        process.execPath,
        ['--import', network.href, main, 'gateway', '--config', join(folder, 'gateway.yaml')],
        { stdio: ['ignore', 'inherit', 'pipe'] },
      )
      gateway = child
      createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
      let address = ''
      await eventually('the gateway has started', () => {
        assert.equal(child.exitCode, null, lines.join('\n'))
        const started = lines.find((line) => line.includes('"started"'))
        address = started === undefined ? '' : (JSON.parse(started) as { admin: string }).admin
        return address !== ''
      })
      await eventually('it is ready', async () => (await fetch(`${address}/readyz`)).ok)
      return { port, admin: address }
    }

    /** As whoever has the gateway's configuration runs it; warnings are no failure. */
    function checkGateway(): Promise<{ readonly stdout: string }> {
      const check = ['gateway', 'check', join(folder, 'gateway.yaml'), '--json']
      return promisify(execFile)(process.execPath, ['--import', network.href, main, ...check])
    }

    const put = (named: string, spec: object): Promise<PlainAnswer['body']> =>
      done(admin({ method: 'POST', path: collection, body: body(named, spec) }))
    const body = (named: string, spec: object): object => ({
      apiVersion: 'countersign.dev/v1alpha1',
      kind: 'ToolServer',
      metadata: { name: named },
      spec,
    })

    /** Waits until its status says this of what it is now, and gives the condition. */
    async function says(named: string, reason: string): Promise<Record<string, unknown>> {
      let last: unknown
      let found: Record<string, unknown> = {}
      const look = async (): Promise<boolean> => {
        const object = await done(admin({ path: `${collection}/${named}` }))
        last = object.status
        found = object.status?.conditions?.[0] ?? {}
        const isOfNow = found['observedGeneration'] === object.metadata.generation
        return isOfNow && found['reason'] === reason
      }
      await eventually(reason, look, 30).catch(() =>
        assert.fail(`want=${reason} got=${JSON.stringify(last)}\n${lines.slice(-5).join('\n')}`),
      )
      return found
    }

    function call(door: string, tool: string): Promise<Reply> {
      const asked = modern('tools/call', { name: tool, arguments: { n: 1 } })
      return agent.post(door, asked.body, asked.headers)
    }

    async function toolsAt(door: string): Promise<readonly string[]> {
      const listing = modern('tools/list')
      const { json } = await agent.post(door, listing.body, listing.headers)
      const tools = (json.result?.['tools'] ?? []) as readonly { readonly name: string }[]
      return tools.map(({ name: tool }) => tool)
    }

    /** Each of several workers hears of it for itself. */
    async function eventuallyServes(door: string, tools: readonly string[]): Promise<void> {
      let last: readonly string[] = []
      const look = async (): Promise<boolean> =>
        (last = await toolsAt(door)).join() === tools.join()
      await eventually('the list', look, 30).catch(() =>
        assert.fail(`want=${tools.join()} got=${last.join()}\n${lines.slice(-5).join('\n')}`),
      )
    }

    test('a ToolServer that is applied is accepted, and its tools are listed and called', async () => {
      await put('github', github)
      const { status, message } = await says('github', 'Accepted')
      assert.equal(status, 'True')
      assert.equal(
        message,
        `served as tools--github, which has to prove spiffe://${stage.trustDomain}/ns/tools/sa/github`,
      )
      await eventuallyServes('/mcp/tools--github', ['echo'])
      await eventuallyServes('/mcp', ['tools--github_echo'])
      const reply = await call('/mcp', 'tools--github_echo')
      assert.equal(reply.status, 200, reply.text)
      assert.match(reply.text, /\{\\"n\\":1\}/)
    })

    test('one that is changed is another from then on, and says so of its new generation', async () => {
      requirement('gateway.scopes-of-a-server')
      const path = `${collection}/github`
      await done(admin({ method: 'PATCH', path, body: { spec: { scopes: ['big'] } } }))
      const { observedGeneration } = await says('github', 'Accepted')
      assert.equal(observedGeneration, 2)
      await eventuallyServes('/mcp/tools--github', ['big'])
      const reply = await call('/mcp/tools--github', 'echo')
      assert.match(reply.text, /no scope of the tool server has this tool/)
    })

    test('a second one with a SPIFFE ID that is taken is refused, and its status says by whom', async () => {
      requirement('gateway.tool-server-of-its-namespace')
      await put('mirror', github)
      const { status, message } = await says('mirror', 'SpiffeIdTaken')
      assert.equal(status, 'False')
      assert.match(
        String(message),
        /^spec\.serviceAccount: want=a SPIFFE ID for each server got=\S+ of tools--github and tools--mirror$/,
      )
      assert.equal((await call('/mcp/tools--mirror', 'echo')).status, 404)
      // Each process tells of it on its own, and no sooner than the status is written.
      await eventually('the page says so, too', async () =>
        /tools\/mirror is not served: spec\.serviceAccount: /.test(
          await (await fetch(readyz)).text(),
        ),
      )
      const accept = 'application/json;as=Table;g=meta.k8s.io;v=v1'
      const table = await done(admin({ path: collection, accept }))
      const columns = table.columnDefinitions.map(({ name: column }: { name: string }) => column)
      const shown = table.rows.map(({ cells }: { cells: readonly unknown[] }) =>
        ['Name', 'Accepted', 'Reason'].map((column) => cells[columns.indexOf(column)]),
      )
      assert.deepEqual(shown, [
        ['github', 'True', 'Accepted'],
        ['mirror', 'False', 'SpiffeIdTaken'],
      ])
    })

    test('one that the gateway cannot take says which field, and what nobody could take is refused at once', async () => {
      await put('a--b', { service: { name: 'github' }, serviceAccount: 'other' })
      const { message } = await says('a--b', 'Invalid')
      assert.equal(message, 'metadata.name: want=a name without --')
      const answer = await admin({
        method: 'POST',
        path: collection,
        body: body('odd', { ...github, scopes: ['github:*'], limits: { answerBytesMax: 1 } }),
      })
      assert.equal(answer.status, 422)
      const causes = JSON.stringify(answer.body.details.causes)
      assert.match(causes, /spec\.scopes\[0\]/)
      assert.match(causes, /spec\.limits\.answerBytesMax/)
    })

    test('what is said once is not written again', async () => {
      requirement('gateway.status-written-once')
      const versionOf = async (): Promise<string> =>
        (await done(admin({ path: `${collection}/github` }))).metadata.resourceVersion
      const before = await versionOf()
      const { metadata } = await put('other', { ...github, serviceAccount: 'notes' })
      assert.equal(metadata.generation, 1)
      await says('other', 'Accepted')
      assert.equal(await versionOf(), before)
    })

    test('the check of the gateway says which it would take, and of each whether it is there and who it is', async () => {
      const { stdout } = await checkGateway()
      const report = JSON.parse(stdout) as { checks: readonly Record<string, unknown>[] }
      const found = (check: string): Record<string, unknown> =>
        report.checks.find((each) => each['name'] === check) ?? {}
      assert.equal(found('tool-servers')['status'], 'warning')
      assert.equal(found('tool-servers')['summary'], '4 ToolServers, 2 of them accepted')
      // What was made within one second has no order but that of names.
      const evidence = (found('tool-servers')['evidence'] as readonly string[]).toSorted()
      assert.deepEqual(
        evidence.map((line) => line.slice(0, 44)),
        [
          'tools/a--b: Invalid: metadata.name: want=a n',
          'tools/mirror: SpiffeIdTaken: spec.serviceAcc',
        ],
      )
      assert.equal(found('upstream tools--github')['status'], 'ok', stdout)
      assert.match(String(found('upstream tools--github')['summary']), /4 tools, 1 of them within/)
      assert.equal(found('upstream tools--other')['status'], 'warning')
      assert.match(String(found('upstream tools--other')['summary']), /somebody else/)
    })

    /** What `kubectl describe` shows below the object. */
    async function eventsOf(named: string): Promise<readonly Readonly<Record<string, string>>[]> {
      const { metadata } = await done(admin({ path: `${collection}/${named}` }))
      const path = '/api/v1/namespaces/tools/events'
      const { items } = await done(admin({ path }))
      return (items as readonly PlainAnswer['body'][])
        .filter(({ involvedObject }) => involvedObject.uid === metadata.uid)
        .map(({ type, reason, message }) => ({ type, reason, message }))
    }

    test('a tool that is quarantined is told of in an Event with what to run, and so is its approval', async () => {
      requirement('gateway.quarantine-told')
      const path = `${collection}/github`
      const old = 'a'.repeat(64)
      const now = digestDefinition(toolTexts[1] ?? '')
      await done(admin({ method: 'PATCH', path, body: { spec: { pins: { big: old } } } }))
      await says('github', 'Accepted')
      await eventuallyServes('/mcp/tools--github', [])
      await eventually('the quarantine is told', async () => (await eventsOf('github')).length > 0)
      await done(admin({ method: 'PATCH', path, body: { spec: { pins: { big: now } } } }))
      await eventuallyServes('/mcp/tools--github', ['big'])
      await eventually('the approval is told', async () => (await eventsOf('github')).length > 1)
      assert.deepEqual(
        (await eventsOf('github')).toSorted((one, other) =>
          one['type']! > other['type']! ? 1 : -1,
        ),
        [
          {
            type: 'Normal',
            reason: 'ToolApproved',
            message: `tool big is served: its definition ${now} is the approved one`,
          },
          {
            type: 'Warning',
            reason: 'ToolQuarantined',
            message: `tool big is neither listed nor called: its definition has changed since its approval (now ${now}, approved is ${old}); look at it: countersign tools list tools--github; then countersign tools approve tools--github big --digest ${now}`,
          },
        ],
      )
    })

    test('one that is deleted is no more, and who was refused because of it is served', async () => {
      await done(admin({ method: 'DELETE', path: `${collection}/github` }))
      await says('mirror', 'Accepted')
      await eventuallyServes('/mcp/tools--mirror', ['echo'])
      await eventually(
        'its door is closed',
        async () => (await call('/mcp/tools--github', 'big')).status === 404,
      )
    })
  })
}
