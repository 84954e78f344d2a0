import { CountersignError } from '../../../src/errors.ts'
import type { BundleContent } from '../../../src/policy/bundle-content.ts'
import { createShadowAnswers } from '../../../src/policy/shadow/answer-shadow.ts'
import type { ShadowProcess } from '../../../src/policy/shadow/shadow.ts'
import type { ToShadow } from '../../../src/policy/shadow/shadow-question.ts'
import { contentWith, shippedFiles } from '../archive.ts'

/** Grants of one tool to all that have its ceiling. */
export const readGranted = {
  grants: { tenants: { acme: { files: { tools: { read: {} } } } }, subjects: {} },
}

/** What the shipped bundle has, which is what nobody is granted anything by. */
const shippedData = {
  approvals: {},
  grants: { subjects: {}, tenants: {} },
  history: {},
  issuance: { denied_namespaces: {}, lifetime_seconds_max: {} },
  limits: {},
  log: {},
}

/** The shipped rules with some data of their own. */
export async function candidateWith(
  data: object,
  revision: string = 'candidate',
): Promise<BundleContent> {
  const shipped = await shippedFiles({
    '.manifest': JSON.stringify({ revision, roots: [''] }),
    'data.json': JSON.stringify({ ...shippedData, ...data }),
  })
  return contentWith(shipped)
}

/** The candidate in this process, with what it was sent, as it would cross to another. */
export interface HeldProcess extends ShadowProcess {
  readonly asked: ToShadow[]
  readonly isEnded: boolean
  /** From now on answers nothing before it is let go. */
  hold(): void
  go(): void
  fail(): void
}

export function startHere(): HeldProcess {
  const answer = createShadowAnswers()
  const asked: ToShadow[] = []
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  let held = Promise.withResolvers<void>()
  held.resolve()
  let isEnded = false
  return {
    asked,
    get isEnded() {
      return isEnded
    },
    hold() {
      held = Promise.withResolvers()
    },
    go: () => held.resolve(),
    fail: () => failed.reject(new CountersignError('policy/test', 'ended early')),
    ask(message) {
      const crossing = structuredClone(message)
      asked.push(crossing)
      return Promise.race([held.promise.then(() => answer(crossing)), failed.promise])
    },
    end() {
      isEnded = true
      failed.reject(new CountersignError('policy/test', 'ended'))
    },
  }
}
