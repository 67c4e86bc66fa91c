/**
 * Whether a client names HTML among what it takes, as browsers do. What takes anything (curl, Grafana, a script of the UI) gets what it got
 * before there were pages.
 */
export function takesHtml(accept: string | undefined): boolean {
  return (accept ?? '').split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    return type === 'text/html' && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  });
}
