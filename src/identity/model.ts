import { CountersignError, quoted } from '../errors.ts'
import { isLowerCaseLabelValue } from './kubernetes-name.ts'

declare const brand: unique symbol

/** The slug of a model, a Kubernetes label value in lower case: it is also the name of a namespace label. */
export type Model = string & { readonly [brand]: 'Model' }

/** Parses the slug of a model. Throws `identity/model`. */
export function parseModel(text: string): Model {
  if (!isLowerCaseLabelValue(text)) {
    throw new CountersignError(
      'identity/model',
      `model is not a lower-case label value of 1..63 characters, got=${quoted(text)}`,
    )
  }
  return text as Model
}
