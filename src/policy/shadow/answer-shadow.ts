import { CountersignError } from '../../errors.ts'
import { createAuthorizer, type Evaluated } from '../authorizer.ts'
import { valueOf } from '../document.ts'
import { openPolicyBase, type PolicyBase, type PolicyEngine } from '../engine.ts'
import { createIssuancePolicy } from '../issuance-policy.ts'
import {
  differOnCall,
  differOnIssuance,
  differOnList,
  type Difference,
  type Said,
} from './differ.ts'
import type { Decided, FromShadow, ToShadow } from './shadow-question.ts'

/** Larger than any input that was decided on: what was small enough for one policy is small enough for the other. */
const inputOctetsMax = 64 * 1024 * 1024

/** Answers what crosses, in the process that has the candidate and nothing else. */
export function createShadowAnswers(): (message: ToShadow) => Promise<FromShadow> {
  let base: PolicyBase | undefined
  let differ: ((decided: Decided) => Difference | undefined) | undefined

  function open(engine: PolicyEngine): FromShadow {
    differ = createDiffer(engine)
    const { revision, digest } = engine
    return { kind: 'ready', name: { revision, digest } }
  }
  async function answer(message: ToShadow): Promise<FromShadow> {
    if (message.kind === 'begin') {
      const { digest, documents, engine } = message
      const files = new Map([...message.files].map(([path, octets]) => [path, Buffer.from(octets)]))
      base = await openPolicyBase({ content: { files, digest }, engine })
      return open(base.engineWith(documents))
    }
    if (base === undefined) throw new TypeError('asked before there is a candidate')
    if (message.kind === 'documents') {
      differ = undefined
      return open(base.engineWith(message.documents))
    }
    const { decided } = message
    return { kind: 'answers', answers: decided.map((each) => differ?.(each)) }
  }
  return async (message) => {
    try {
      return await answer(message)
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      const { code, message: text, hint } = error
      return { kind: 'refused', failure: { code, message: text, hint } }
    }
  }
}

/** Asks the candidate what was decided, in the way in which it was. */
function createDiffer(engine: PolicyEngine): (decided: Decided) => Difference | undefined {
  const authorizer = createAuthorizer(engine, { inputOctetsMax })
  const issuance = createIssuancePolicy(engine)
  return (decided) => {
    if (decided.kind === 'call') {
      return differOnCall(saidThen(decided.was), saidOf(authorizer.decide(decided.texts)))
    }
    if (decided.kind === 'list') {
      const resources = decided.resources.map((text) => ({
        text,
        octets: Buffer.byteLength(text),
        value: valueOf(text),
      }))
      const filtered = authorizer.filter({ ...decided.parts, resources })
      return differOnList(saidThen(decided.was), saidOf(filtered))
    }
    return differOnIssuance(
      saidThen(decided.was),
      issued(() => issuance.decide(decided.input)),
    )
  }
}

function saidThen<T>(was: T | undefined): Said<T> {
  return was === undefined ? { error: 'no decision' } : { value: was }
}

function saidOf<T>({ value, error }: Evaluated<T>): Said<T> {
  // What follows the code may quote the input.
  return error === undefined ? { value } : { error: error.split(':')[0] ?? '' }
}

function issued<T>(decide: () => T): Said<T> {
  try {
    return { value: decide() }
  } catch (error) {
    return { error: error instanceof CountersignError ? error.code : 'unknown' }
  }
}
