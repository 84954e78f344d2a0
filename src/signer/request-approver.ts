import { randomBytes as systemRandomBytes } from 'node:crypto'
import type { AgentAccount } from '../kubernetes/pod-certificate-request.ts'
import { observeClient } from '../kubernetes/reachability.ts'
import { watchRights } from '../kubernetes/rights-watch.ts'
import { createBoard, type Condition, type ConditionBoard } from '../readiness.ts'
import type { SignerOptions } from './controller.ts'
import { evaluationProfile, evidenceNames, tellEvidence } from './evaluation.ts'
import { historySince, readHistory } from './issue/history.ts'
import { createApproving } from './issue/issuance.ts'
import { permissionOf, requestApproverRights } from './rights.ts'
import { unlessAborted, untilAborted } from './until-answered.ts'
import { modesOf } from './verdict/enforcement.ts'
import { requesterOfStated } from './verdict/stated-requester.ts'
import { approvingPorts, approvingRequests } from './watch/approving-requests.ts'
import { clusterPorts } from './watch/cluster-ports.ts'
import { startGatherer } from './watch/gather.ts'
import { startRequestQueue, type RequestQueue } from './watch/request-queue.ts'
import { signingRequestPorts } from './watch/signing-request-ports.ts'
import { followSigningRequests } from './watch/signing-requests.ts'

export interface RequestApproverOptions extends Pick<
  SignerOptions,
  | 'client'
  | 'signerName'
  | 'profile'
  | 'clusterDomain'
  | 'claims'
  | 'issuancePolicy'
  | 'modeOf'
  | 'replica'
  | 'serverClock'
  | 'log'
  | 'metrics'
  | 'now'
  | 'randomBytes'
> {
  /** Of its own: not the signer's. */
  readonly ledger: SignerOptions['ledger']
  readonly records: NonNullable<SignerOptions['records']>
  /** Who may ask for IssuedCertificates; nobody when absent. */
  readonly issuedCertificates?: AgentAccount | undefined
}

/** Approves what a signer would issue, by the signer's own evaluation, and denies what it would deny. It signs nothing. */
export interface RequestApprover {
  /** Works until the signal aborts, then finishes what it began. Rejects with 'ledger/unavailable' once the ledger takes no more records. */
  run(signal: AbortSignal): Promise<void>
  conditions(): readonly Condition[]
}

const watched = 'watch certificatesigningrequests'

/** Requests that are not seen wait: so long, nobody minds. */
const lostSecondsMax = 60

const drainSeconds = 10

export function createRequestApprover(options: RequestApproverOptions): RequestApprover {
  const names = ['kubernetes', 'rights', 'ledger', watched, ...evidenceNames(options)]
  const board = createBoard(names)
  const client = observeClient(options.client, options.now)
  board.set('kubernetes', () => client.condition())
  board.set('ledger', () => ({ ok: true, reason: 'takes records' }))
  return {
    conditions: () => board.list(),
    async run(signal) {
      const broken = Promise.withResolvers<boolean>()
      broken.promise.catch(() => {})
      void options.ledger.failed.then((error) => {
        board.set('ledger', () => ({ ok: false, reason: error.message }))
        broken.reject(error)
      })
      await using opened = new AsyncDisposableStack()
      const queue = await open({ ...options, client, board }, opened, signal)
      if (queue === undefined) return
      options.log.info({ signerName: options.signerName }, 'approver works on requests')
      try {
        await unlessAborted(broken.promise, signal)
      } finally {
        await queue.drain(drainSeconds)
      }
    },
  }
}

/** Undefined when told to end meanwhile. */
async function open(
  options: RequestApproverOptions & { readonly board: ConditionBoard },
  opened: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<RequestQueue | undefined> {
  const { client, signerName, board, issuedCertificates: agent, log, metrics, now } = options
  const claimOwners = options.claims?.owners
  const signingRequests = { approve: true, issuedCertificates: agent }
  const rights = opened.use(
    watchRights({
      client,
      rights: requestApproverRights({ signerName, signingRequests, claimOwners }),
    }),
  )
  board.set('rights', () => rights.condition())
  const gatherer = opened.use(startGatherer({ client, claimOwners, log, metrics }))
  tellEvidence(gatherer, board)
  const since = historySince(now())
  const history = await readHistory(untilAborted(options.records(since), signal), now)
  const followed = opened.use(followSigningRequests({ client, signerName, agent, log, metrics }))
  board.set(watched, () => followed.condition(lostSecondsMax))
  const synced = Promise.all([gatherer.synced, followed.synced]).then(() => true)
  if (!(await unlessAborted(synced, signal))) return undefined
  let queue: RequestQueue | undefined
  const component = 'countersign-csr-approver'
  const depth = (): number => queue?.depth ?? 0
  const evidence = clusterPorts({ ...options, gatherer, version: 'v1', component, depth })
  const ports = approvingPorts(
    signingRequestPorts({ client, ports: evidence, approve: true, agent, now }),
  )
  const issuance = createApproving({
    ...options,
    profile: evaluationProfile(options),
    history,
    ports,
    permission: permissionOf(rights, 'of-pods', options.serverClock, 'approver'),
    requester: (asked) => requesterOfStated(asked) ?? 'not-shown',
    modeOf: options.modeOf ?? modesOf({}),
    randomBytes: options.randomBytes ?? systemRandomBytes,
  })
  const requests = approvingRequests(followed)
  const parts = { requests, gatherer, issuance, ports, history, log, metrics, now }
  queue = startRequestQueue({ ...parts, kind: 'CertificateSigningRequest' })
  return queue
}
