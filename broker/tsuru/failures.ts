import { TsuruError } from '../../agent/shared/tsuru.ts';

/** Said by a proxy in front of Tsuru, which itself answers every error with 500. */
const GATEWAY_STATUSES = [502, 503, 504];

/** Whether it is Tsuru's own refusal, after which nothing was done as a rule; otherwise it is unknown whether the request was done. */
export function isDefinitiveAnswer(error: unknown): error is TsuruError {
  return (
    error instanceof TsuruError &&
    error.status !== undefined &&
    !GATEWAY_STATUSES.includes(error.status) &&
    error.failure !== 'bad_answer'
  );
}

/** Whether a call that makes something failed because that is there, or may have made it anyway. */
export function mayBeThere(error: unknown): boolean {
  if (!(error instanceof TsuruError)) return false;
  return !isDefinitiveAnswer(error) || error.status === 409 || /already exists/i.test(error.words);
}
