/** A piece of HTML. Only `html` makes one, so that every text in it is escaped. */
export interface Html {
  readonly [HTML]: string;
}

/** What a template may hold. Nothing is shown for undefined and false. */
export type Content = string | number | Html | false | undefined | readonly Content[];

const HTML = Symbol('html');
const ESCAPED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Makes HTML of a template: every value in it is text, or HTML that was made so. Attributes need quotes. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Html {
  return {
    [HTML]: compact(parts)
      .map((part, index) => part + textOf(values[index]))
      .join(''),
  };
}

const compacted = new WeakMap<TemplateStringsArray, readonly string[]>();

/** The source is indented, what is sent is not: that is a third of it. */
function compact(parts: TemplateStringsArray): readonly string[] {
  const known = compacted.get(parts) ?? parts.map((part) => part.replaceAll(/\s*\n\s*/g, '\n'));
  compacted.set(parts, known);
  return known;
}

/** HTML of our own files. Nothing from elsewhere may come here. */
export function raw(text: string): Html {
  return { [HTML]: text };
}

export function textOf(content: Content): string {
  if (content === undefined || content === false) return '';
  if (typeof content === 'string' || typeof content === 'number') return escapeHtml(String(content));
  return isHtml(content) ? content[HTML] : content.map(textOf).join('');
}

/** A text as it stands in HTML, between tags or in an attribute with quotes. */
export function escapeHtml(text: string): string {
  return text.toWellFormed().replaceAll(/[&<>"']/g, (character) => ESCAPED[character] ?? '');
}

function isHtml(content: Html | readonly Content[]): content is Html {
  return HTML in content;
}
