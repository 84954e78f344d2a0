import { never, type Mutation } from './mutation.ts'

/** The defences of the CA, of its names and of its files. */
export const authorityMutations: readonly Mutation[] = [
  {
    claim: 'identity.spiffe-id-strict',
    without: 'the look for an empty label in a trust domain',
    file: 'src/identity/trust-domain.ts',
    edits: never("text.split('.').includes('')"),
    tests: ['test/identity/trust-domain.test.ts'],
  },
]
