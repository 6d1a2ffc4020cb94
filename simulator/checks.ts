/** Something handed to the simulator that it can't work with: the message names the field and the mend. */
export class SimulatorInputError extends Error {
  override readonly name = 'SimulatorInputError'
  readonly code = 'ERR_SIMULATOR_INPUT'
  /** The field at fault, as a path: `accounts[0].appId`. */
  readonly field: string

  constructor(field: string, problem: string) {
    super(`simulator: ${field} ${problem}`)
    this.field = field
  }
}

/** Reads one value that came from outside, or throws a `SimulatorInputError` that names `field`. */
export type Reader<T> = (field: string, value: unknown) => T

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value as a record that has none but the `known` fields: a misspelt option must not pass in silence. */
export function fieldsOf(
  field: string,
  value: unknown,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw new SimulatorInputError(field, 'must be an object')
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      throw new SimulatorInputError(key, `is not known in ${field}: use ${known.join(', ')}`)
    }
  }
  return value
}

export const optional =
  <T>(read: Reader<T>): Reader<T | undefined> =>
  (field, value) =>
    value === undefined ? undefined : read(field, value)

export const text: Reader<string> = (field, value) => {
  if (typeof value !== 'string' || value === '') {
    throw new SimulatorInputError(field, 'must be a string that is not empty')
  }
  return value
}

export const flag: Reader<boolean> = (field, value) => {
  if (typeof value !== 'boolean') throw new SimulatorInputError(field, 'must be true or false')
  return value
}

export const numberFrom =
  (min: number, max: number): Reader<number> =>
  (field, value) => {
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      throw new SimulatorInputError(field, `must be a number from ${min} to ${max}`)
    }
    return value
  }

export const wholeFrom =
  (min: number, max: number): Reader<number> =>
  (field, value) => {
    const read = numberFrom(min, max)(field, value)
    if (!Number.isInteger(read)) throw new SimulatorInputError(field, 'must be a whole number')
    return read
  }

export const oneOf =
  <const T extends string>(...choices: readonly T[]): Reader<T> =>
  (field, value) => {
    const found = choices.find((choice) => choice === value)
    if (found === undefined) throw new SimulatorInputError(field, `must be one of ${choices.join(', ')}`)
    return found
  }

export const listOf =
  <T>(read: Reader<T>): Reader<T[]> =>
  (field, value) => {
    if (!Array.isArray(value)) throw new SimulatorInputError(field, 'must be a list')
    return value.map((entry: unknown, at) => read(`${field}[${at}]`, entry))
  }
