import { createSeats, type Guest } from '../seats.ts'
import type { Account, SharePercents } from '../../shares.ts'
import type { Listed } from './list-upstream.ts'

/** Listings of the gateway's own that are under way at a time, over all upstreams. */
const listingsMax = 4

/** One that takes longer leaves its place: a server that says nothing keeps no other waiting, and what it has said is counted. */
const turnMilliseconds = 1000
const waitMilliseconds = 10_000

export type Listings = (owner: Account, list: () => Promise<Listed>) => Promise<Listed>

/** Lists in turns of the owners: however many upstreams one has, it is the others' turn between them. */
export function createListings(
  shares: SharePercents,
  times: { readonly turnMilliseconds: number; readonly waitMilliseconds: number } = {
    turnMilliseconds,
    waitMilliseconds,
  },
): Listings {
  const seats = createSeats({
    ...shares,
    seatsMax: listingsMax,
    waitMilliseconds: times.waitMilliseconds,
  })
  return (account, list) =>
    new Promise((resolve, reject) => {
      const leave = (): void => seats.leave(guest)
      const guest: Guest = {
        account,
        seated() {
          const timer = setTimeout(leave, times.turnMilliseconds)
          list()
            .finally(() => {
              clearTimeout(timer)
              leave()
            })
            .then(resolve, reject)
        },
        turnedAway() {
          const detail = 'no turn in time to list'
          resolve({ definitions: [], failure: { failed: 'time-out', detail } })
        },
      }
      if (seats.take(guest)) guest.seated()
    })
}
