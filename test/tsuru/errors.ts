/** An error that Tsuru shows to the caller: plain text with a status, which is 500 where nobody chose another. */
export class TsuruError extends Error {
  readonly status: number;

  constructor(message: string, status = 500) {
    super(message);
    this.name = 'TsuruError';
    this.status = status;
  }
}

export function badRequest(message: string): TsuruError {
  return new TsuruError(message, 400);
}

export function forbidden(message = "You don't have permission to do this action"): TsuruError {
  return new TsuruError(message, 403);
}

export function notFound(message: string): TsuruError {
  return new TsuruError(message, 404);
}

export function conflict(message: string): TsuruError {
  return new TsuruError(message, 409);
}
