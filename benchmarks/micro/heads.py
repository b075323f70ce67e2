"""Heads the parsers are given: from a tool, from a browser, from a server."""

TOOL_REQUEST = (
    b"GET /api/v1/items?page=2 HTTP/1.1\r\n"
    b"Host: shop.default.svc.cluster.local\r\n"
    b"User-Agent: curl/8.5.0\r\n"
    b"Accept: */*\r\n"
    b"\r\n"
)

BROWSER_REQUEST = (
    b"GET /catalog/shoes/running?colour=blue&size=42&sort=price HTTP/1.1\r\n"
    b"Host: shop.example.com\r\n"
    b"Connection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"\r\n'
    b"sec-ch-ua-mobile: ?0\r\n"
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    b" Chrome/130.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Referer: https://shop.example.com/catalog/shoes\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes; cart=8841\r\n"
    b"\r\n"
)

RESPONSE = (
    b"HTTP/1.1 200 OK\r\n"
    b"Server: nginx/1.27.0\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    b"Content-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: 0\r\n"
    b"Cache-Control: no-store\r\n"
    b"X-Request-Id: 6f1c1a52-0d3e-4a80-9b3f-3f6a9d0a7c11\r\n"
    b"\r\n"
)

REQUESTS = {"tool": TOOL_REQUEST, "browser": BROWSER_REQUEST}
