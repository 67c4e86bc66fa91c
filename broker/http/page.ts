/** The broker's own pages, for operators and probes, beside the routes that Tsuru calls. */
export interface Page {
  readonly path: string;
  readonly summary: string;
  /** Answers without a password. */
  readonly isOpen: boolean;
  readonly answers: Readonly<Record<number, string>>;
  readonly contentType: string;
  readonly answer: () => Shown | Promise<Shown>;
}

interface Shown {
  readonly status: number;
  readonly text: string;
}
