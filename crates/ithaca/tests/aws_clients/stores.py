"""S3, the parameter store and STS as programs use them. Arguments: a prefix for names, the endpoint."""

import io
import sys
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

prefix, endpoint = sys.argv[1], sys.argv[2]


def client(service, **more):
    return boto3.client(service, endpoint_url=endpoint, **more)


s3 = client("s3")
bucket = f"{prefix}-bucket"


def refused(code, call, **members):
    try:
        call(**members)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{call.__name__} {members}: {found} is not {code}: {error}"
        return error
    raise AssertionError(f"{call.__name__} {members} was not refused")


def buckets():
    refused("404", s3.head_bucket, Bucket=bucket)
    refused("NoSuchBucket", s3.put_object, Bucket=bucket, Key="k", Body=b"")
    s3.create_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    s3.head_bucket(Bucket=bucket)
    refused("InvalidBucketName", s3.create_bucket, Bucket="Upper_Case")
    assert bucket in [it["Name"] for it in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    on = {"Status": "Enabled"}
    refused("NotImplemented", s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=on)
    refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy='{"Version": "2012-10-17"}')
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == '{"Version": "2012-10-17"}'
    s3.delete_bucket_policy(Bucket=bucket)
    block = {"BlockPublicAcls": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["BlockPublicAcls"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]


def one_object():
    put = s3.put_object(
        Bucket=bucket, Key="a/b.txt", Body=b"text data", ContentType="text/plain", Metadata={"Who": "me"},
        CacheControl="no-store", Tagging="t=1",
    )
    assert put["ETag"] == '"332eec544317a6d340b8e77da7fe54ad"' and put["ChecksumCRC32"], put
    got = s3.get_object(Bucket=bucket, Key="a/b.txt")
    assert got["Body"].read() == b"text data" and got["ContentType"] == "text/plain", got
    assert got["Metadata"] == {"who": "me"} and got["CacheControl"] == "no-store" and got["TagCount"] == 1
    head = s3.head_object(Bucket=bucket, Key="a/b.txt")
    assert head["ContentLength"] == 9 and head["ETag"] == put["ETag"]
    part = s3.get_object(Bucket=bucket, Key="a/b.txt", Range="bytes=5-")
    assert part["Body"].read() == b"data" and part["ContentRange"] == "bytes 5-8/9"
    refused("InvalidRange", s3.get_object, Bucket=bucket, Key="a/b.txt", Range="bytes=9-")
    refused("304", s3.get_object, Bucket=bucket, Key="a/b.txt", IfNoneMatch=put["ETag"])
    refused("PreconditionFailed", s3.get_object, Bucket=bucket, Key="a/b.txt", IfMatch='"other"')
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="a/b.txt", Body=b"", IfNoneMatch="*")
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="none")
    refused("404", s3.head_object, Bucket=bucket, Key="none")
    # boto3 would try again, since a body may break on its way.
    once = client("s3", config=Config(retries={"max_attempts": 1, "mode": "standard"}))
    refused("BadDigest", once.put_object, Bucket=bucket, Key="bad", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    refused("BadDigest", once.put_object, Bucket=bucket, Key="bad", Body=b"x", ChecksumCRC32="AAAAAA==")
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        s3.put_object(Bucket=bucket, Key="sum", Body=b"x" * 100_000, ChecksumAlgorithm=algorithm)
        got = s3.get_object(Bucket=bucket, Key="sum", ChecksumMode="ENABLED")
        assert got[f"Checksum{algorithm}"] and len(got["Body"].read()) == 100_000
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a/b.txt"})
    assert s3.head_object(Bucket=bucket, Key="copy")["Metadata"] == {"who": "me"}
    s3.put_object_tagging(Bucket=bucket, Key="copy", Tagging={"TagSet": [{"Key": "n", "Value": "2"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == [{"Key": "n", "Value": "2"}]
    s3.delete_object(Bucket=bucket, Key="copy")
    s3.delete_object(Bucket=bucket, Key="copy")
    s3.put_object(Bucket=bucket, Key="empty")
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""


def keys_of_all_kinds():
    keys = ["../../etc/passwd", "a//b", "a/", "a/b.txt/c", "ü ☃ &<>+%", ".", "n\nl", "k" * 1024, "x/" + "y" * 300]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in keys:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode(), key
    listed = [it["Key"] for it in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(listed, key=str.encode) and set(keys) <= set(listed), listed
    refused("KeyTooLongError", s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"")
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(deleted["Deleted"]) == len(keys) and "Errors" not in deleted


def listings():
    for number in range(5):
        for folder in "xyz":
            s3.put_object(Bucket=bucket, Key=f"list/{folder}/{number}", Body=b"")
    s3.put_object(Bucket=bucket, Key="list/end", Body=b"")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="list/", PaginationConfig={"PageSize": 4}))
    assert [len(page["Contents"]) for page in pages] == [4, 4, 4, 4], pages
    by_folder = s3.list_objects_v2(Bucket=bucket, Prefix="list/", Delimiter="/")
    assert [it["Prefix"] for it in by_folder["CommonPrefixes"]] == ["list/x/", "list/y/", "list/z/"]
    assert [it["Key"] for it in by_folder["Contents"]] == ["list/end"]
    folders = s3.get_paginator("list_objects").paginate(
        Bucket=bucket, Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 1})
    assert len(list(folders)) == 4
    versions = s3.list_object_versions(Bucket=bucket, Prefix="list/x/")["Versions"]
    assert [it["VersionId"] for it in versions] == ["null"] * 5
    refused("InvalidArgument", s3.list_objects_v2, Bucket=bucket, ContinuationToken="zz")


def in_parts():
    large = bytes(range(256)) * (9 << 12)
    config = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=5 << 20, max_concurrency=3)
    s3.upload_fileobj(io.BytesIO(large), bucket, "large", Config=config, ExtraArgs={"ContentType": "x/y"})
    head = s3.head_object(Bucket=bucket, Key="large")
    assert head["ETag"].endswith('-2"') and head["ContentType"] == "x/y", head
    back = io.BytesIO()
    s3.download_fileobj(bucket, "large", back, Config=config)
    assert back.getvalue() == large
    s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "large-copy", Config=config)
    assert s3.head_object(Bucket=bucket, Key="large-copy")["ContentLength"] == len(large)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="given-up")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="given-up", UploadId=upload, PartNumber=1, Body=b"x")
    assert [it["Size"] for it in s3.list_parts(Bucket=bucket, Key="given-up", UploadId=upload)["Parts"]] == [1]
    assert [it["Key"] for it in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["given-up"]
    wrong = {"Parts": [{"PartNumber": 1, "ETag": "0" * 32}]}
    members = dict(Bucket=bucket, Key="given-up", UploadId=upload)
    refused("InvalidPart", s3.complete_multipart_upload, **members, MultipartUpload=wrong)
    small = {"Parts": [{"PartNumber": number, "ETag": part["ETag"]} for number in (1, 2)]}
    s3.upload_part(**members, PartNumber=2, Body=b"x")
    refused("EntityTooSmall", s3.complete_multipart_upload, **members, MultipartUpload=small)
    s3.abort_multipart_upload(**members)
    refused("NoSuchUpload", s3.abort_multipart_upload, **members)


class Unseekable(io.RawIOBase):
    """A body whose checksum is not known beforehand, so that it goes as aws-chunked with a trailer."""

    def __init__(self, text):
        self.text = io.BytesIO(text)

    def read(self, size=-1):
        return self.text.read(size)

    def readable(self):
        return True


def in_chunks():
    unsigned = client("s3", config=Config(s3={"payload_signing_enabled": False}))
    s3.upload_fileobj(Unseekable(b"chunk" * 100_000), bucket, "chunked")
    assert s3.head_object(Bucket=bucket, Key="chunked")["ContentLength"] == 500_000
    unsigned.put_object(Bucket=bucket, Key="chunked", Body=io.BytesIO(b"x" * 300_000))
    head = s3.head_object(Bucket=bucket, Key="chunked")
    assert head["ContentLength"] == 300_000 and "ContentEncoding" not in head


def raw(method, url, body=None, **headers):
    request = urllib.request.Request(url, method=method, data=body, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def by_address():
    for version in ["s3v4", "s3"]:
        signer = client("s3", config=Config(signature_version=version))
        members = {"Bucket": bucket, "Key": "signed"}
        raw("PUT", signer.generate_presigned_url("put_object", members), b"by address")
        assert raw("GET", signer.generate_presigned_url("get_object", members)) == b"by address"
        try:
            raw("GET", signer.generate_presigned_url("get_object", members, ExpiresIn=-10))
            raise AssertionError("an address whose time is over was taken")
        except urllib.error.HTTPError as error:
            assert error.code == 403, error
    assert raw("GET", f"{endpoint}/{bucket}/signed") == b"by address"
    host = endpoint.replace("http://127.0.0.1", f"{bucket}.s3.localhost")
    assert raw("GET", f"{endpoint}/signed", Host=host) == b"by address"
    chunks = b"5\r\nchunk\r\n2\r\ned\r\n0\r\nx-amz-checksum-crc32c:%s\r\n\r\n"
    trailer = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Encoding": "aws-chunked",
               "x-amz-trailer": "x-amz-checksum-crc32c", "x-amz-decoded-content-length": "7"}
    address = client("s3", config=Config(signature_version="s3v4")).generate_presigned_url(
        "put_object", {"Bucket": bucket, "Key": "trailed"})
    try:
        raw("PUT", address, chunks % b"AAAAAA==", **trailer)
        raise AssertionError("a wrong checksum was taken")
    except urllib.error.HTTPError as error:
        assert b"<Code>BadDigest</Code>" in error.read()
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="trailed")


def nowhere_else():
    """Addresses that would leave the folder of objects if they were paths."""
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"}
    rows = [
        ("/%2e%2e/ithaca.db", 400, b"InvalidBucketName"),
        ("/../ithaca.db", 400, b"InvalidBucketName"),
        ("/.ithaca/about", 400, b"InvalidBucketName"),
        (f"/{bucket}/%2e%2e%2f%2e%2e%2fithaca.db", 404, b"NoSuchKey"),
        (f"/{bucket}/../../ithaca.db", 404, b"NoSuchKey"),
        (f"/{bucket}/%00", 404, b"NoSuchKey"),
        (f"/{bucket}/%ff", 400, b"InvalidArgument"),
        (f"/{bucket}/k?uploadId=../..", 404, b"NoSuchUpload"),
        (f"/{bucket}?versioning&list-type=2", 200, b"VersioningConfiguration"),
        (f"/{bucket}?max-keys=-1", 400, b"InvalidArgument"),
    ]
    for path, status, text in rows:
        try:
            found = (200, raw("GET", endpoint + path, **signed))
        except urllib.error.HTTPError as error:
            found = (error.code, error.read())
        assert found[0] == status and text in found[1], (path, found)


def end():
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=bucket)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": it["Key"]} for it in page["Contents"]]})
    s3.delete_bucket(Bucket=bucket)
    refused("404", s3.head_bucket, Bucket=bucket)
    s3.head_bucket(Bucket="cdk-hnb659fds-assets-000000000000-us-east-1")


def parameters():
    ssm = client("ssm")
    name = f"/{prefix}/limit"
    assert ssm.put_parameter(Name=name, Value="1", Type="String")["Version"] == 1
    refused("ParameterAlreadyExists", ssm.put_parameter, Name=name, Value="2", Type="String")
    ssm.put_parameter(Name=name, Value="2", Overwrite=True)
    ssm.put_parameter(Name=f"{name}/secret", Value="s", Type="SecureString")
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "2"
    assert ssm.get_parameter(Name=f"{name}:1")["Parameter"]["Value"] == "1"
    found = ssm.get_parameters_by_path(Path=f"/{prefix}", Recursive=True, WithDecryption=True)["Parameters"]
    assert [it["Value"] for it in found] == ["2", "s"], found
    assert len(ssm.get_parameter_history(Name=name)["Parameters"]) == 2
    assert ssm.delete_parameters(Names=[name, f"{name}/secret", "/none"])["InvalidParameters"] == ["/none"]
    refused("ParameterNotFound", ssm.get_parameter, Name=name)


def identities():
    sts = client("sts")
    assert sts.get_caller_identity()["Account"] == "000000000000"
    role = "arn:aws:iam::111122223333:role/deploy"
    got = sts.assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    assumed = client("sts", aws_access_key_id=got["AccessKeyId"], aws_secret_access_key=got["SecretAccessKey"],
                     aws_session_token=got["SessionToken"])
    assert assumed.get_caller_identity()["Arn"] == "arn:aws:sts::111122223333:assumed-role/deploy/me"
    refused("ValidationError", sts.assume_role, RoleArn="a" * 20, RoleSessionName="me")


for step in [buckets, one_object, keys_of_all_kinds, listings, in_parts, in_chunks, by_address, nowhere_else, end, parameters, identities]:
    step()
