#!/usr/bin/env bash
# Submit, follow, take the result: with curl and nothing else.
#
#   examples/curl.sh "AI in SEO"
#
# -f is left out on purpose: what is wrong stands in the body, as a problem document.
set -euo pipefail
url="${SOTA_URL:-http://127.0.0.1:8000}/orchestrator"
keyword="${1:-AI in SEO}"

# The request id makes it safe to send this again: the answer is the same job.
accepted=$(curl -sS "$url/ultra-sota" -H 'Content-Type: application/json' \
  --retry 5 --retry-connrefused \
  -d "{\"keyword\": \"$keyword\", \"requestId\": \"curl-$RANDOM-$$\"}")
job=$(sed -n 's/.*"jobId":"\([^"]*\)".*/\1/p' <<<"$accepted")
[ -n "$job" ] || { echo "$accepted" >&2; exit 1; }
echo "accepted as $job"

# The stream ends with the job. A line that breaks is taken up by: -H "Last-Event-ID: <last id>"
curl -sSN "$url/job/$job/events" | sed -n 's/^event: //p'

# 202 while it runs, 200 once it has ended; ?wait=30 holds the answer for as long.
found=$(mktemp)
trap 'rm -f "$found"' EXIT
until [ "$(curl -sS -o "$found" -w '%{http_code}' "$url/job/$job?wait=30")" = 200 ]; do
  sleep 1
done
sed -n 's/^{"id":"[^"]*","status":"\([a-z]*\)".*/\1/p' "$found"
