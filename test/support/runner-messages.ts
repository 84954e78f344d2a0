/** What a process that runs tests tells the one that started it, over their channel. */
export type FromWorker =
  /** It wants a file, or to be told that there is none; `cpuSeconds` went by since it had the one before. */
  | { readonly kind: 'next'; readonly cpuSeconds: number }
  | { readonly kind: 'started'; readonly title: string }
  | { readonly kind: 'passed' }
  | { readonly kind: 'skipped'; readonly title: string }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** What a test says beside its result. */
  | { readonly kind: 'said'; readonly text: string }

export interface Failure {
  /** The file, its line and its column. */
  readonly place: string
  readonly title: string
  readonly milliseconds: number
  readonly error: string
}

export type ToWorker = { readonly kind: 'file'; readonly file: string } | { readonly kind: 'none' }
