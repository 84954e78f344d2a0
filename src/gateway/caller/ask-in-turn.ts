import { defaultLimits } from '../limits.ts'
import { createSeats, inTurn } from '../seats.ts'

/** Questions at a time: whoever has ever new pods or namespaces must not keep the API server from what others ask of it. */
const asksMax = 32
const askMilliseconds = 5000

/** Whose question it is, and what it is about. */
export interface Question {
  readonly tenant: string | undefined
  readonly namespace: string
  readonly about: string
}

/** Asks the API server in turns of tenants and their namespaces. Rejects where there is no turn in time, or no answer. */
export type AskInTurn = <T>(
  question: Question,
  ask: (signal: AbortSignal) => Promise<T>,
) => Promise<T>

export function createAskInTurn(): AskInTurn {
  const waitMilliseconds = askMilliseconds
  const seats = createSeats({ ...defaultLimits, seatsMax: asksMax, waitMilliseconds })
  return ({ tenant, namespace, about }, ask) =>
    // A namespace without a tenant is one of its own. No name of a tenant holds a space.
    inTurn(seats, [tenant ?? `namespace ${namespace}`, namespace, about], () =>
      ask(AbortSignal.timeout(askMilliseconds)),
    )
}
