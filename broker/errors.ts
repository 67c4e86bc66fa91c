/** What a user did or has to do: the message is one plain sentence, which Tsuru shows as it is. */
export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  /** Of the answer. From 500 on, the request's id is added to the message. */
  readonly status: number;

  constructor(status: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
  }
}

/** Parameters that cannot be used. */
export class ParametersRefused extends BrokerError {
  /** Of those at fault; none where only all together are. */
  readonly names: readonly string[];

  constructor(message: string, names: readonly string[]) {
    super(400, message);
    this.names = names;
  }
}
